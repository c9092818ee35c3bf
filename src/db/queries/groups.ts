import { type AliasedRawBuilder, sql } from "kysely";
import { type Db, dialectOf, type Reader, type Trx } from "../database.ts";
import { isDuplicate, isMissingReference } from "../faults.ts";
import { toSqlTime } from "../time.ts";

/** All group names, sorted. */
export async function listGroups(db: Reader): Promise<string[]> {
  const rows = await db.selectFrom("group").select("name").orderBy("name").execute();
  return rows.map(({ name }) => name);
}

/** Whether a group with exactly this name exists. */
export async function groupExists(db: Reader, name: string): Promise<boolean> {
  const row = await db.selectFrom("group").select("name").where("name", "=", name).executeTakeFirst();
  return row !== undefined;
}

/** The groups of a user, sorted. `username` in its stored spelling. */
export async function listGroupsOf(db: Reader, username: string): Promise<string[]> {
  const rows = await db
    .selectFrom("usergroup")
    .select("groupname")
    .where("username", "=", username)
    .orderBy("groupname")
    .execute();
  return rows.map(({ groupname }) => groupname);
}

/** A column with the groups of the statement's user, as JSON; parse it with `readGroups`. */
export function groupsOfUser(db: Reader): AliasedRawBuilder<string | null, "groups"> {
  const list = sql.raw(dialectOf(db) === "mysql" ? "json_arrayagg" : "json_group_array");
  const { username, groupname } = { username: sql.ref("user.username"), groupname: sql.ref("groupname") };
  return sql<
    string | null
  >`(select ${list}(${groupname}) from usergroup where usergroup.username = ${username})`.as("groups");
}

/** Parses a `groupsOfUser` column; sorted. */
export function readGroups(column: string | null): string[] {
  // `groupsOfUser` makes a JSON array of texts
  return column === null ? [] : (JSON.parse(column) as string[]).sort();
}

/** The members of a group, sorted. */
export async function listMembers(db: Reader, groupname: string): Promise<string[]> {
  const rows = await db
    .selectFrom("usergroup")
    .select("username")
    .where("groupname", "=", groupname)
    .orderBy("username_key")
    .execute();
  return rows.map(({ username }) => username);
}

/** Creates a group. */
export async function insertGroup(db: Db, name: string): Promise<"created" | "taken"> {
  try {
    await db.insertInto("group").values({ name }).execute();
    return "created";
  } catch (error) {
    if (isDuplicate(error)) return "taken";
    throw error;
  }
}

/** Creates a group if it does not exist. */
export async function ensureGroup(db: Db, name: string): Promise<void> {
  const insert = db.insertInto("group").values({ name });
  const statement =
    dialectOf(db) === "mysql"
      ? insert.onDuplicateKeyUpdate({ name })
      : insert.onConflict((conflict) => conflict.doNothing());
  await statement.execute();
}

/** Deletes a group and its memberships. */
export async function deleteGroupRow(db: Db, name: string): Promise<"deleted" | "no such group"> {
  const { numDeletedRows } = await db.deleteFrom("group").where("name", "=", name).executeTakeFirst();
  return numDeletedRows === 0n ? "no such group" : "deleted";
}

/** Adds a user to a group unless already a member; both must exist. `username` in its stored spelling. */
export async function ensureMember(db: Db, groupname: string, username: string): Promise<void> {
  const insert = db.insertInto("usergroup").values({ username, groupname });
  const statement =
    dialectOf(db) === "mysql"
      ? insert.onDuplicateKeyUpdate({ groupname })
      : insert.onConflict((conflict) => conflict.doNothing());
  await statement.execute();
}

/** Adds a user to a group. `username` in its stored spelling. */
export async function insertMember(
  db: Db,
  groupname: string,
  username: string,
): Promise<"added" | "member already" | "no such group" | "no such user"> {
  try {
    await db.insertInto("usergroup").values({ username, groupname }).execute();
    return "added";
  } catch (error) {
    if (isDuplicate(error)) return "member already";
    if (!isMissingReference(error)) throw error;
    return (await groupExists(db, groupname)) ? "no such user" : "no such group";
  }
}

/** Inserts memberships of users and groups that exist. */
export async function insertMembers(
  trx: Trx,
  members: readonly { readonly username: string; readonly groupname: string }[],
): Promise<void> {
  for (let from = 0; from < members.length; from += BATCH)
    await trx
      .insertInto("usergroup")
      .values(members.slice(from, from + BATCH))
      .execute();
}

/** Memberships per statement. */
const BATCH = 1000;

/** Removes a user from a group; false if not a member. */
export async function deleteMember(trx: Trx, groupname: string, username: string): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom("usergroup")
    .where("groupname", "=", groupname)
    .where("username", "=", username)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Removes a user from several groups. */
export async function deleteMemberships(
  trx: Trx,
  username: string,
  groups: readonly string[],
): Promise<void> {
  await trx
    .deleteFrom("usergroup")
    .where("username", "=", username)
    .where("groupname", "in", groups)
    .execute();
}

/** Locks group creation for directories, so that two transactions cannot create names that differ only in case. */
export async function lockGroupCreation(trx: Trx): Promise<void> {
  if (dialectOf(trx) !== "mysql") return; // SQLite runs one write transaction at a time
  const lock = { name: "directory-groups", held_until: toSqlTime(new Date(0)) };
  await trx.insertInto("lease").values(lock).onDuplicateKeyUpdate(lock).execute();
}
