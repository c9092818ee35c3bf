import { sql } from "kysely";
import type { Database } from "../../src/db/database.ts";
import { waitUntil } from "./servers/scratch.ts";

/** The numbers of the statements that MariaDB has been executing on this database for so many milliseconds. */
export async function runningFor(db: Database, ms: number): Promise<readonly string[]> {
  // A commit, or a write of the relay's, may wait for the disk.
  const { rows } = await sql<{ number: string }>`
    select cast(query_id as char) as number from information_schema.processlist
    where db = database() and id <> connection_id() and command <> 'Sleep' and time_ms >= ${sql.lit(ms)}
      and info not regexp '^commit|event|lease'`.execute(db);
  return rows.map(({ number }) => number);
}

interface Blocked {
  /** How many of them. */
  readonly count?: number;
  /** For so many milliseconds; whatever waits for no lock is done by then. */
  readonly ms?: number;
  /** These do not count. */
  readonly except?: readonly string[];
}

/** Resolves with the numbers of statements on this database that wait for a lock, once there are so many. */
export function untilBlocked(
  db: Database,
  { count = 1, ms = 150, except = [] }: Blocked = {},
): Promise<readonly string[]> {
  return waitUntil(`${count} statements that wait for a lock`, async () => {
    const blocked = (await runningFor(db, ms)).filter((number) => !except.includes(number));
    return blocked.length >= count ? blocked : undefined;
  });
}
