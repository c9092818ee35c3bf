import type { Insertable } from "kysely";
import { type Db, dialectOf, type Reader, type Trx } from "../database.ts";
import { isDuplicate } from "../faults.ts";
import { keysOf, preferNfc } from "../names.ts";
import { padInList } from "../in-list-padding.ts";
import type { AuthType, SqlTime, Tables, UserRow } from "../tables.ts";
import { toSqlTime } from "../time.ts";

/** A new user. */
export interface NewUser {
  readonly username: string;
  readonly password_hash: Uint8Array | null;
  readonly auth_type: AuthType;
  /** Null for a service without one. */
  readonly email: string | null;
  readonly activated: boolean;
}

/** Identifies one account: a later account may have the same name. */
export type UserRef = Pick<UserRow, "username" | "created_at">;

/** The columns that a login or an email to the user depends on. */
const LOCKED_COLUMNS = [
  ...(["username", "password_hash", "auth_type", "activated"] as const),
  ...(["email", "email_verified_at", "external_id", "created_at", "modified_at"] as const),
] as const;

/** A locked user. */
export type LockedUser = Pick<UserRow, (typeof LOCKED_COLUMNS)[number]>;

/** Columns to change; `modified_at` is updated too. */
interface ChangedColumns {
  readonly password_hash?: Uint8Array;
  readonly email?: string | null;
  readonly email_verified_at?: SqlTime | null;
  readonly activated?: number;
  readonly external_id?: string | null;
}

/** A user's row; the case of the name is ignored. */
export async function findUser(db: Reader, username: string): Promise<UserRow | undefined> {
  const query = db.selectFrom("user").selectAll().where("username_key", "in", keysOf(username));
  return preferNfc(await query.execute(), (row) => row.username);
}

/** The row of the user with an address; its case is ignored. */
export async function findUserByEmail(db: Reader, email: string): Promise<UserRow | undefined> {
  const query = db.selectFrom("user").selectAll().where("email_key", "in", keysOf(email));
  return preferNfc(await query.execute(), (row) => row.email ?? "");
}

/** All usernames, sorted. */
export async function listUsernames(db: Reader): Promise<string[]> {
  const rows = await db.selectFrom("user").select("username").orderBy("username_key").execute();
  return rows.map(({ username }) => username);
}

function mayBeStoredInNfd(name: string): boolean {
  return keysOf(name).length > 1;
}

/** Creates a user. */
export async function createUser(
  db: Db,
  user: NewUser,
): Promise<"created" | "username taken" | "email taken"> {
  // The unique keys distinguish NFC from NFD, and earlier versions may have stored the same name in NFD.
  if (mayBeStoredInNfd(user.username) && (await findUser(db, user.username)) !== undefined)
    return "username taken";
  if (
    user.email !== null &&
    mayBeStoredInNfd(user.email) &&
    (await findUserByEmail(db, user.email)) !== undefined
  )
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

/** Inserts several users. */
export async function insertUsers(trx: Trx, rows: readonly Insertable<Tables["user"]>[]): Promise<void> {
  await trx.insertInto("user").values(rows).execute();
}

/** Deletes a user with session and memberships; false if it does not exist. */
export async function deleteUser(trx: Trx, { username, created_at }: UserRef): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom("user")
    .where("username", "=", username)
    .where("created_at", "=", created_at)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Changes columns of a user. */
export async function updateUser(trx: Trx, username: string, changes: ChangedColumns): Promise<void> {
  await trx
    .updateTable("user")
    .set({ ...changes, modified_at: toSqlTime(new Date()) })
    .where("username", "=", username)
    .execute();
}

/** Records the time of a login, and a new hash of the unchanged password if there is one; `modified_at` stays. */
export async function recordLogin(
  trx: Trx,
  username: string,
  { at, password_hash }: { readonly at: Date; readonly password_hash: Uint8Array | undefined },
): Promise<void> {
  await trx
    .updateTable("user")
    .set({ last_login_at: toSqlTime(at), ...(password_hash === undefined ? {} : { password_hash }) })
    .where("username", "=", username)
    .execute();
}

/** Replaces the hash of an unchanged password; `modified_at` stays. */
export async function replaceHash(trx: Trx, username: string, password_hash: Uint8Array): Promise<void> {
  await trx.updateTable("user").set({ password_hash }).where("username", "=", username).execute();
}

/** Directory users with one of these external ids, oldest first. */
export async function findUsersByExternalId(db: Reader, ids: readonly string[]): Promise<UserRow[]> {
  return db
    .selectFrom("user")
    .selectAll()
    .where("external_id", "in", padInList(ids))
    .where("auth_type", "=", "LDAP")
    .orderBy("created_at")
    .execute();
}

/** Marks an address as verified, and optionally activates the account; false if the user no longer has the address. */
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
 * Locks a user's row until the transaction ends, and reads what a login or an email to the user depends on. `username`
 * in its stored spelling.
 */
export async function lockUser(trx: Db, username: string): Promise<LockedUser | undefined> {
  return trx
    .selectFrom("user")
    .select(LOCKED_COLUMNS)
    .where("username", "=", username)
    .$if(dialectOf(trx) === "mysql", (query) => query.forUpdate())
    .executeTakeFirst();
}
