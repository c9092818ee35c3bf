import { isLastAdmin } from "../db/queries/admins.ts";
import { deleteUser, type UserRef } from "../db/queries/users.ts";
import { userDeleted } from "./events.ts";
import { record, type Writer } from "./writer.ts";

/** Deletes an account with its session and memberships, unless it is the last administrator. */
export async function deleteAccount(
  writer: Writer,
  user: UserRef,
  adminGroup: string,
): Promise<"deleted" | "no such user" | "last admin"> {
  if (await isLastAdmin(writer.trx, user.username, adminGroup)) return "last admin";
  if (!(await deleteUser(writer.trx, user))) return "no such user";
  await record(writer, userDeleted(user.username));
  return "deleted";
}
