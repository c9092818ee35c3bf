import { foldName, isSameName } from "../../src/db/names.ts";
import type { State } from "./snapshots.ts";

/** Invariants that no request may violate: an administrator exists, and every session and API key has a user. */
export function stateErrors({ user, group, usergroup, token, api_key }: State): string[] {
  const errors: string[] = [];
  const admins = usergroup.filter(
    ({ username, groupname }) =>
      groupname === "admin" &&
      user.some(
        (one) =>
          one["username"] === username && Number(one["activated"]) === 1 && one["auth_type"] === "LOCAL",
      ),
  );
  if (admins.length === 0) errors.push("there is no administrator");
  if (!group.some(({ name }) => name === "admin")) errors.push("the admin group is missing");
  const names = user.map((one) => String(one["username"]));
  if (new Set(names.map(foldName)).size < names.length) errors.push("two users with one name");
  for (const { user_id } of token)
    if (!names.some((name) => isSameName(name, String(user_id)))) errors.push("a session without a user");
  for (const { user_id } of api_key)
    if (!names.some((name) => isSameName(name, String(user_id)))) errors.push("an API key without a user");
  return errors;
}
