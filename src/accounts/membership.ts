import { isLastAdmin } from "../db/queries/admins.ts";
import * as rows from "../db/queries/groups.ts";
import { groupCreated, groupDeleted, memberAdded, memberRemoved } from "./events.ts";
import { record, type Writer } from "./writer.ts";

/** Creates a group. */
export async function createGroup(writer: Writer, name: string): Promise<"created" | "taken"> {
  const outcome = await rows.insertGroup(writer.trx, name);
  if (outcome === "created") await record(writer, groupCreated(name));
  return outcome;
}

/** Deletes a group with its memberships; the admin group cannot be deleted. */
export async function deleteGroup(
  writer: Writer,
  name: string,
  adminGroup: string,
): Promise<"deleted" | "no such group" | "admin group"> {
  if (name === adminGroup) return "admin group";
  const outcome = await rows.deleteGroupRow(writer.trx, name);
  if (outcome === "deleted") await record(writer, groupDeleted(name));
  return outcome;
}

/** Adds a user to a group; `username` in its stored spelling. */
export async function addMember(
  writer: Writer,
  groupname: string,
  username: string,
): Promise<"added" | "member already" | "no such group" | "no such user"> {
  const outcome = await rows.insertMember(writer.trx, groupname, username);
  if (outcome === "added") await record(writer, memberAdded(username, groupname));
  return outcome;
}

/** Removes a user from a group, unless it is the last administrator. `username` in its stored spelling. */
export async function removeMember(
  writer: Writer,
  groupname: string,
  username: string,
  adminGroup: string,
): Promise<"removed" | "no member" | "no such group" | "last admin"> {
  const { trx } = writer;
  if (groupname === adminGroup && (await isLastAdmin(trx, username, adminGroup))) return "last admin";
  if (await rows.deleteMember(trx, groupname, username)) {
    await record(writer, memberRemoved(username, groupname));
    return "removed";
  }
  return (await rows.groupExists(trx, groupname)) ? "no member" : "no such group";
}
