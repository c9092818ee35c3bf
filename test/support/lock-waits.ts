import { sql } from "kysely";
import type { Database } from "../../src/db/database.ts";
import { waitUntil } from "./servers/scratch.ts";

/** The numbers of statements that have been running in this MariaDB database for at least `ms` milliseconds. */
export async function runningFor(db: Database, ms: number): Promise<readonly string[]> {
  // Ignore commits and statements of the event relay, which may wait for the disk.
  const { rows } = await sql<{ number: string }>`
    select cast(query_id as char) as number from information_schema.processlist
    where db = database() and id <> connection_id() and command <> 'Sleep' and time_ms >= ${sql.lit(ms)}
      and info not regexp '^commit|event|lease'`.execute(db);
  return rows.map(({ number }) => number);
}

interface Blocked {
  /** Minimum number of statements. */
  readonly count?: number;
  /** Minimum time in milliseconds; statements that do not wait for a lock end sooner. */
  readonly ms?: number;
  /** Statements to ignore. */
  readonly except?: readonly string[];
}

/** Resolves with the numbers of statements that wait for a lock in this database, once there are enough. */
export function untilBlocked(
  db: Database,
  { count = 1, ms = 150, except = [] }: Blocked = {},
): Promise<readonly string[]> {
  return waitUntil(`${count} statements waiting for a lock`, async () => {
    const blocked = (await runningFor(db, ms)).filter((number) => !except.includes(number));
    return blocked.length >= count ? blocked : undefined;
  });
}
