import { sql } from "kysely";
import type { Database } from "../../src/db/database.ts";
import { readServerFacts } from "../../src/db/queries/server.ts";
import { waitUntil } from "./servers/scratch.ts";

/**
 * The numbers of statements that have been running in this database for at least `ms` milliseconds. Two statements
 * never have the same number.
 */
export async function runningFor(db: Database, ms: number): Promise<readonly string[]> {
  const { product } = await readServerFacts(db);
  // Ignore commits and statements of the event relay, which may wait for the disk.
  const others = sql.lit("^commit|event|lease");
  const { rows } = await (product === "MySQL"
    ? sql<{ number: string }>`
        select concat(thread_id, '/', statement.event_id) as number
        from performance_schema.events_statements_current statement
        join performance_schema.threads thread using (thread_id)
        where thread.processlist_db = database() and thread.processlist_id <> connection_id()
          and statement.end_event_id is null and statement.timer_wait >= ${sql.lit(ms)} * 1000000000
          and lower(statement.sql_text) not regexp ${others}`
    : sql<{ number: string }>`
        select cast(query_id as char) as number from information_schema.processlist
        where db = database() and id <> connection_id() and command <> 'Sleep' and time_ms >= ${sql.lit(ms)}
          and info not regexp ${others}`
  ).execute(db);
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
