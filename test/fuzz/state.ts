import { foldName, isSameName } from "../../src/db/names.ts";
import type { State } from "./snapshots.ts";

/** What no request may bring about: the last administrator stays, and there is no session of nobody. */
export function faultsOfState({ user, group, usergroup, token }: State): string[] {
  const faults: string[] = [];
  const admins = usergroup.filter(
    ({ username, groupname }) =>
      groupname === "admin" &&
      user.some(
        (one) =>
          one["username"] === username && Number(one["activated"]) === 1 && one["auth_type"] === "LOCAL",
      ),
  );
  if (admins.length === 0) faults.push("there is no administrator left");
  if (!group.some(({ name }) => name === "admin")) faults.push("the admin group is gone");
  const names = user.map((one) => String(one["username"]));
  if (new Set(names.map(foldName)).size < names.length) faults.push("two users with one name");
  for (const { user_id } of token)
    if (!names.some((name) => isSameName(name, String(user_id)))) faults.push("a token of nobody");
  return faults;
}
