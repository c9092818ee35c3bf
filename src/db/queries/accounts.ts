import type { Reader } from "../database.ts";
import { foldName, isNfc, keysOf } from "../names.ts";
import { padInList } from "../in-list-padding.ts";
import type { UserRow } from "../tables.ts";
import { groupsOfUser, readGroups } from "./groups.ts";

/** The columns of an account that requests need; each request reads some. */
export const ACCOUNT_COLUMNS = [
  ...(["user.username", "user.auth_type", "user.email", "user.activated"] as const),
  ...(["user.created_at", "user.email_verified_at"] as const),
] as const;

/** A user with groups, read by one statement. */
export interface AccountRow
  extends Pick<
    UserRow,
    "username" | "auth_type" | "email" | "activated" | "created_at" | "email_verified_at"
  > {
  readonly groups: readonly string[];
}

/** Accounts by folded name; unknown names are absent. */
export async function findAccounts(
  db: Reader,
  names: readonly string[],
): Promise<ReadonlyMap<string, AccountRow>> {
  const rows = await db
    .selectFrom("user")
    .select(ACCOUNT_COLUMNS)
    .select(groupsOfUser(db))
    .where("user.username_key", "in", padInList(names.flatMap(keysOf)))
    .execute();
  const accounts = rows.map((row): readonly [string, AccountRow] => {
    const { groups, ...user } = row;
    return [foldName(user.username), { ...user, groups: readGroups(groups) }];
  });
  // Names in NFC last: they replace the same name in NFD in the map.
  return new Map(accounts.sort(([, a], [, b]) => Number(isNfc(a.username)) - Number(isNfc(b.username))));
}
