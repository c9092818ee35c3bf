import type { Db } from "../database.ts";
import { padInList } from "../in-list-padding.ts";
import { toSqlTime } from "../time.ts";

/** Deletes at most `limit` expired sessions, oldest first; returns how many. */
export async function clearExpiredSessions(db: Db, limit: number): Promise<number> {
  const now = toSqlTime(new Date());
  const last = await db
    .selectFrom("token")
    .select("valid_until")
    .where("valid_until", "<=", now)
    .orderBy("valid_until")
    .limit(1)
    .offset(limit - 1)
    .executeTakeFirst();
  const { numDeletedRows } = await db
    .deleteFrom("token")
    .where("valid_until", "<=", last?.valid_until ?? now)
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** Deletes at most `limit` expired rows of a table, oldest first; returns how many. */
export async function clearExpired(
  db: Db,
  table: "login_throttle" | "one_time_token" | "challenge",
  limit: number,
): Promise<number> {
  const now = toSqlTime(new Date());
  const last = await db
    .selectFrom(table)
    .select("expires_at")
    .where("expires_at", "<=", now)
    .orderBy("expires_at")
    .limit(1)
    .offset(limit - 1)
    .executeTakeFirst();
  const { numDeletedRows } = await db
    .deleteFrom(table)
    .where("expires_at", "<=", last?.expires_at ?? now)
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** Deletes at most `limit` enrolments of a TOTP that began before a time and were not finished; returns how many. */
export async function clearPendingTotps(db: Db, before: Date, limit: number): Promise<number> {
  // Read first, without locks: most rows are finished.
  const rows = await db
    .selectFrom("factor")
    .select("factor_id")
    .where("confirmed_at", "is", null)
    .where("created_at", "<=", toSqlTime(before))
    .limit(limit)
    .execute();
  if (rows.length === 0) return 0;
  const ids = rows.map(({ factor_id }) => factor_id);
  const { numDeletedRows } = await db
    .deleteFrom("factor")
    .where("factor_id", "in", padInList(ids))
    .where("confirmed_at", "is", null)
    .executeTakeFirst();
  return Number(numDeletedRows);
}
