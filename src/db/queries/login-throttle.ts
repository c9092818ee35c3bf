import type { Db } from "../database.ts";
import { isDuplicate } from "../faults.ts";
import { toSqlTime } from "../time.ts";

/** What is written down of failed logins of one account; `version` tells one state from the next. */
export interface ThrottleRow {
  readonly version: number;
  /** JSON. */
  readonly sources: string;
}

/** A state that replaces the one of an earlier version; without such a version there was none. */
export interface NewThrottleRow {
  readonly key: Uint8Array;
  readonly earlier: number | undefined;
  readonly sources: string;
  readonly expiresAt: Date;
}

/** The state of an account, if there is any. */
export async function findThrottle(db: Db, key: Uint8Array): Promise<ThrottleRow | undefined> {
  const row = await db
    .selectFrom("login_throttle")
    .select(["version", "sources"])
    .where("account_key", "=", key)
    .executeTakeFirst();
  return row && { version: Number(row.version), sources: row.sources };
}

/** Writes the next state of an account; false, and nothing written, when somebody else was first. */
export async function writeThrottle(
  db: Db,
  { key, earlier, sources, expiresAt }: NewThrottleRow,
): Promise<boolean> {
  const expires_at = toSqlTime(expiresAt);
  if (earlier !== undefined) {
    const { numUpdatedRows } = await db
      .updateTable("login_throttle")
      .set({ version: earlier + 1, sources, expires_at })
      .where("account_key", "=", key)
      .where("version", "=", earlier)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }
  try {
    await db
      .insertInto("login_throttle")
      .values({ account_key: key, version: 1, sources, expires_at })
      .execute();
    return true;
  } catch (error) {
    if (isDuplicate(error)) return false;
    throw error;
  }
}

/** Forgets all that is known of an account's logins. */
export async function deleteThrottle(db: Db, key: Uint8Array): Promise<void> {
  await db.deleteFrom("login_throttle").where("account_key", "=", key).execute();
}
