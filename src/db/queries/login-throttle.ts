import type { Db } from "../database.ts";
import { isDuplicate } from "../faults.ts";
import { toSqlTime } from "../time.ts";

/** The recorded failed logins of one account; `version` changes with every write. */
export interface ThrottleRow {
  readonly version: number;
  /** JSON. */
  readonly sources: string;
}

/** A state that replaces version `earlier`; undefined if there was none. */
export interface NewThrottleRow {
  readonly key: Uint8Array;
  readonly earlier: number | undefined;
  readonly sources: string;
  readonly expiresAt: Date;
}

/** The state of an account; undefined if there is none. */
export async function findThrottle(db: Db, key: Uint8Array): Promise<ThrottleRow | undefined> {
  const row = await db
    .selectFrom("login_throttle")
    .select(["version", "sources"])
    .where("account_key", "=", key)
    .executeTakeFirst();
  return row && { version: Number(row.version), sources: row.sources };
}

/** Writes the next state of an account. Returns false, and writes nothing, if another write came first. */
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

/** Deletes the state of an account. */
export async function deleteThrottle(db: Db, key: Uint8Array): Promise<void> {
  await db.deleteFrom("login_throttle").where("account_key", "=", key).execute();
}
