import { type Db, dialectOf, type Trx } from "../database.ts";
import { isDuplicate } from "../faults.ts";
import { keysOf, preferNfc } from "../names.ts";
import type { AuthType, SqlTime, UserRow } from "../tables.ts";
import { toSqlTime } from "../time.ts";
import { isLastAdmin } from "./admins.ts";
import { deleteOneTimeTokens } from "./one-time-tokens.ts";

/** A user to be made. */
export interface NewUser {
  readonly username: string;
  readonly password_hash: Uint8Array | null;
  readonly auth_type: AuthType;
  readonly email: string;
  readonly activated: boolean;
}

/** The user that was looked at: one of the same name that was made since is somebody else. */
type KnownUser = Pick<UserRow, "username" | "created_at">;

/** What a login, or a message to the user, depends on. */
const LOCKED = [
  ...(["username", "password_hash", "auth_type", "activated"] as const),
  ...(["email", "email_verified_at", "external_id", "created_at", "modified_at"] as const),
] as const;

type LockedUser = Pick<UserRow, (typeof LOCKED)[number]>;

/** What may change of a user; a new `password_hash` also revokes the ID token, and so does turning the account on again. */
export interface UserChanges {
  readonly password_hash?: Uint8Array;
  readonly email?: string;
  readonly email_verified_at?: SqlTime | null;
  readonly activated?: boolean;
}

/** The row of a user, whatever the case of the name. */
export async function findUser(db: Db, username: string): Promise<UserRow | undefined> {
  const query = db.selectFrom("user").selectAll().where("username_key", "in", keysOf(username));
  return preferNfc(await query.execute(), (row) => row.username);
}

/** The row of the user with an address, whatever its case. */
export async function findUserByEmail(db: Db, email: string): Promise<UserRow | undefined> {
  const query = db.selectFrom("user").selectAll().where("email_key", "in", keysOf(email));
  return preferNfc(await query.execute(), (row) => row.email ?? "");
}

/** All usernames in order. */
export async function listUsernames(db: Db): Promise<string[]> {
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

/** Deletes a user with token and memberships, unless that would take the last administrator away. */
export async function deleteUser(
  trx: Trx,
  { username, created_at }: KnownUser,
  adminGroup: string,
): Promise<"deleted" | "no such user" | "last admin"> {
  if (await isLastAdmin(trx, username, adminGroup)) return "last admin";
  const { numDeletedRows } = await trx
    .deleteFrom("user")
    .where("username", "=", username)
    .where("created_at", "=", created_at)
    .executeTakeFirst();
  return numDeletedRows === 0n ? "no such user" : "deleted";
}

/** Changes several things of a user, and tells whether its session ended with that. */
export async function changeUser(
  trx: Trx,
  { username, created_at }: KnownUser,
  { activated, ...changes }: UserChanges,
  adminGroup: string,
): Promise<"changed" | "session ended" | "no such user" | "email taken" | "last admin"> {
  const flag = activated === undefined ? {} : { activated: Number(activated) };
  try {
    if (activated === false && (await isLastAdmin(trx, username, adminGroup))) return "last admin";
    // A session of before may be what the account was turned off for.
    const isTurnedOn = activated === true && (await lockUser(trx, username))?.activated === 0;
    const { numUpdatedRows } = await trx
      .updateTable("user")
      .set({ ...changes, ...flag, modified_at: toSqlTime(new Date()) })
      .where("username", "=", username)
      .where("created_at", "=", created_at)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return "no such user";
    // Whoever got a message before may not be who the account is for now.
    const isOtherAddress = changes.email !== undefined && changes.email_verified_at === null;
    if (isOtherAddress || activated === false) await deleteOneTimeTokens(trx, username);
    else if (changes.password_hash !== undefined) await deleteOneTimeTokens(trx, username, "password_reset");
    const endsSession = changes.password_hash !== undefined || isTurnedOn;
    return endsSession && (await deleteIdTokenOf(trx, username)) ? "session ended" : "changed";
  } catch (error) {
    if (isDuplicate(error)) return "email taken";
    throw error;
  }
}

/** Ends the session of a user; false where there was none. */
export async function deleteIdTokenOf(trx: Trx, username: string): Promise<boolean> {
  const { numDeletedRows } = await trx.deleteFrom("token").where("user_id", "=", username).executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Notes that a user reads what is sent to the address, and activates the account for it where that is wanted. */
export async function verifyEmail(
  trx: Trx,
  { username, email }: { readonly username: string; readonly email: string },
  activates: boolean,
): Promise<"verified" | "activated" | "changed meanwhile"> {
  const now = toSqlTime(new Date());
  const isActivated = activates && (await lockUser(trx, username))?.activated === 0;
  const { numUpdatedRows } = await trx
    .updateTable("user")
    .set({ email_verified_at: now, modified_at: now, ...(isActivated ? { activated: 1 } : {}) })
    .where("username", "=", username)
    .where("email_key", "in", keysOf(email))
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return "changed meanwhile";
  return isActivated ? "activated" : "verified";
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
