import type { Insertable } from "kysely";
import { type Db, dialectOf, type Reader, type Trx } from "../database.ts";
import { isDuplicate } from "../faults.ts";
import { keysOf, preferNfc } from "../names.ts";
import { padInList } from "../in-list-padding.ts";
import type { AuthType, SqlTime, Tables, UserRow } from "../tables.ts";
import { toSqlTime } from "../time.ts";

/** A user to be made. */
export interface NewUser {
  readonly username: string;
  readonly password_hash: Uint8Array | null;
  readonly auth_type: AuthType;
  readonly email: string;
  readonly activated: boolean;
}

/** The user that was looked at: one of the same name that was made since is somebody else. */
export type UserRef = Pick<UserRow, "username" | "created_at">;

/** What a login, or a message to the user, depends on. */
const LOCKED = [
  ...(["username", "password_hash", "auth_type", "activated"] as const),
  ...(["email", "email_verified_at", "external_id", "created_at", "modified_at"] as const),
] as const;

type LockedUser = Pick<UserRow, (typeof LOCKED)[number]>;

/** Columns that change; `modified_at` is set with them. */
interface ChangedColumns {
  readonly password_hash?: Uint8Array;
  readonly email?: string | null;
  readonly email_verified_at?: SqlTime | null;
  readonly activated?: number;
  readonly external_id?: string | null;
}

/** The row of a user, whatever the case of the name. */
export async function findUser(db: Reader, username: string): Promise<UserRow | undefined> {
  const query = db.selectFrom("user").selectAll().where("username_key", "in", keysOf(username));
  return preferNfc(await query.execute(), (row) => row.username);
}

/** The row of the user with an address, whatever its case. */
export async function findUserByEmail(db: Reader, email: string): Promise<UserRow | undefined> {
  const query = db.selectFrom("user").selectAll().where("email_key", "in", keysOf(email));
  return preferNfc(await query.execute(), (row) => row.email ?? "");
}

/** All usernames in order. */
export async function listUsernames(db: Reader): Promise<string[]> {
  const rows = await db.selectFrom("user").select("username").orderBy("username_key").execute();
  return rows.map(({ username }) => username);
}

function mayBeStoredInNfd(name: string): boolean {
  return keysOf(name).length > 1;
}

/** Makes a user. */
export async function createUser(
  db: Db,
  user: NewUser,
): Promise<"created" | "username taken" | "email taken"> {
  // The unique keys tell NFC from NFD, in which versions before may have stored the same name.
  if (mayBeStoredInNfd(user.username) && (await findUser(db, user.username)) !== undefined)
    return "username taken";
  if (mayBeStoredInNfd(user.email) && (await findUserByEmail(db, user.email)) !== undefined)
    return "email taken";
  const now = toSqlTime(new Date());
  try {
    await db
      .insertInto("user")
      .values({ ...user, activated: Number(user.activated), created_at: now, modified_at: now })
      .execute();
    return "created";
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    return (await findUser(db, user.username)) === undefined ? "email taken" : "username taken";
  }
}

/** Inserts the rows of users. */
export async function insertUsers(trx: Trx, rows: readonly Insertable<Tables["user"]>[]): Promise<void> {
  await trx.insertInto("user").values(rows).execute();
}

/** Deletes a user with token and memberships; false when there is none. */
export async function deleteUser(trx: Trx, { username, created_at }: UserRef): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom("user")
    .where("username", "=", username)
    .where("created_at", "=", created_at)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Changes a user. */
export async function updateUser(trx: Trx, username: string, changes: ChangedColumns): Promise<void> {
  await trx
    .updateTable("user")
    .set({ ...changes, modified_at: toSqlTime(new Date()) })
    .where("username", "=", username)
    .execute();
}

/** Replaces the hash of the same password; the user has not changed by that. */
export async function setPasswordHash(trx: Trx, username: string, password_hash: Uint8Array): Promise<void> {
  await trx.updateTable("user").set({ password_hash }).where("username", "=", username).execute();
}

/** The directory users with one of these external ids, the oldest first. */
export async function findUsersByExternalId(db: Reader, ids: readonly string[]): Promise<UserRow[]> {
  return db
    .selectFrom("user")
    .selectAll()
    .where("external_id", "in", padInList(ids))
    .where("auth_type", "=", "LDAP")
    .orderBy("created_at")
    .execute();
}

/** Ends the session of a user; false where there was none. */
export async function deleteIdTokenOf(trx: Trx, username: string): Promise<boolean> {
  const { numDeletedRows } = await trx.deleteFrom("token").where("user_id", "=", username).executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Marks an address as verified, and activates the account where that is wanted; false when it is no longer the user's. */
export async function verifyEmail(
  trx: Trx,
  { username, email }: { readonly username: string; readonly email: string },
  isActivated: boolean,
): Promise<boolean> {
  const now = toSqlTime(new Date());
  const { numUpdatedRows } = await trx
    .updateTable("user")
    .set({ email_verified_at: now, modified_at: now, ...(isActivated ? { activated: 1 } : {}) })
    .where("username", "=", username)
    .where("email_key", "in", keysOf(email))
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/**
 * Locks a user's row until the transaction ends and reads what a login, or a message to the user, depends on. `username`
 * in its stored spelling.
 */
export async function lockUser(trx: Db, username: string): Promise<LockedUser | undefined> {
  return trx
    .selectFrom("user")
    .select(LOCKED)
    .where("username", "=", username)
    .$if(dialectOf(trx) === "mysql", (query) => query.forUpdate())
    .executeTakeFirst();
}
