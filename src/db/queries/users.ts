import { type Db, dialectOf, type Trx } from "../database.ts";
import { isDuplicate } from "../faults.ts";
import { isSameName } from "../names.ts";
import type { AuthType, UserRow } from "../tables.ts";
import { toSqlTime } from "../time.ts";
import { isLastAdmin } from "./admins.ts";

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

/** What may change of a user; a new `password_hash` also revokes the ID token, and so does turning the account on again. */
export interface UserChanges {
  readonly password_hash?: Uint8Array;
  readonly email?: string;
  readonly activated?: boolean;
}

/** The row of a user, whatever the case of the name; not that of a name which the database alone takes for the same. */
export async function findUser(db: Db, username: string): Promise<UserRow | undefined> {
  const row = await findAlike(db, username);
  return row !== undefined && isSameName(row.username, username) ? row : undefined;
}

/** Whether no user of this name can be made, because the database takes it for the name of one that is there. */
export async function isNameTaken(db: Db, username: string): Promise<boolean> {
  return (await findAlike(db, username)) !== undefined;
}

async function findAlike(db: Db, username: string): Promise<UserRow | undefined> {
  return db.selectFrom("user").selectAll().where("username", "=", username).executeTakeFirst();
}

/** All usernames in order. */
export async function listUsernames(db: Db): Promise<string[]> {
  const rows = await db.selectFrom("user").select("username").orderBy("username").execute();
  return rows.map(({ username }) => username);
}

/** Makes a user. */
export async function createUser(
  db: Db,
  user: NewUser,
): Promise<"created" | "username taken" | "email taken"> {
  const now = toSqlTime(new Date());
  try {
    await db
      .insertInto("user")
      .values({ ...user, activated: Number(user.activated), created_at: now, modified_at: now })
      .execute();
    return "created";
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    return (await isNameTaken(db, user.username)) ? "username taken" : "email taken";
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

/** Changes several things of a user. */
export async function changeUser(
  trx: Trx,
  { username, created_at }: KnownUser,
  { activated, ...changes }: UserChanges,
  adminGroup: string,
): Promise<"changed" | "no such user" | "email taken" | "last admin"> {
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
    if (changes.password_hash !== undefined || isTurnedOn)
      await trx.deleteFrom("token").where("user_id", "=", username).execute();
    return "changed";
  } catch (error) {
    if (isDuplicate(error)) return "email taken";
    throw error;
  }
}

/** Locks a user's row until the transaction ends and reads what a login depends on. */
export async function lockUser(
  trx: Db,
  username: string,
): Promise<Pick<UserRow, "username" | "password_hash" | "auth_type" | "activated"> | undefined> {
  return trx
    .selectFrom("user")
    .select(["username", "password_hash", "auth_type", "activated"])
    .where("username", "=", username)
    .$if(dialectOf(trx) === "mysql", (query) => query.forUpdate())
    .executeTakeFirst();
}
