import { dialectOf, type Reader, type Trx } from "../database.ts";

/**
 * Whether the user is the only activated local member of the admin group. Locks the group's row until the transaction
 * ends, so two administrators cannot remove each other at the same time. Call it before taking other locks for the change.
 */
export async function isLastAdmin(trx: Trx, username: string, adminGroup: string): Promise<boolean> {
  await trx
    .selectFrom("group")
    .select("name")
    .where("name", "=", adminGroup)
    .$if(dialectOf(trx) === "mysql", (query) => query.forUpdate())
    .execute();
  const admins = await trx
    .selectFrom("usergroup")
    .innerJoin("user", "user.username", "usergroup.username")
    .select("user.username")
    .where("usergroup.groupname", "=", adminGroup)
    .where("user.auth_type", "=", "LOCAL")
    .where("user.activated", "=", 1)
    .limit(2)
    .execute();
  return admins.length === 1 && admins[0]?.username === username;
}

/** Whether the admin group has an activated member. */
export async function hasAdmin(db: Reader, adminGroup: string): Promise<boolean> {
  const admin = await db
    .selectFrom("usergroup")
    .innerJoin("user", "user.username", "usergroup.username")
    .select("user.username")
    .where("usergroup.groupname", "=", adminGroup)
    .where("user.activated", "=", 1)
    .executeTakeFirst();
  return admin !== undefined;
}
