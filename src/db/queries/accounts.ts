import type { Reader } from "../database.ts";
import { foldName, isNfc, keysOf } from "../names.ts";
import { padInList } from "../in-list-padding.ts";
import type { UserRow } from "../tables.ts";
import { groupsOfUser, readGroups } from "./groups.ts";
import { type IdTokenRow, toIdToken } from "./id-tokens.ts";

/** A user with groups and session, read by one statement. */
export interface AccountRow extends UserRow {
  readonly groups: readonly string[];
  /** Undefined if there is no session. */
  readonly token: IdTokenRow | undefined;
}

/** Accounts by folded name; unknown names are absent. */
export async function findAccounts(
  db: Reader,
  names: readonly string[],
): Promise<ReadonlyMap<string, AccountRow>> {
  const rows = await db
    .selectFrom("user")
    .leftJoin("token", "token.user_id", "user.username")
    .selectAll("user")
    .select(["token_id", "ip", "valid_until", "last_use", "sign_method", "vhost"])
    .select(groupsOfUser(db))
    .where("user.username_key", "in", padInList(names.flatMap(keysOf)))
    .execute();
  const accounts = rows.map((row): readonly [string, AccountRow] => {
    const { token_id, ip, valid_until, last_use, sign_method, vhost, groups, ...user } = row;
    const hasToken =
      token_id !== null && ip !== null && valid_until !== null && sign_method !== null && vhost !== null;
    const token = hasToken
      ? toIdToken({ token_id, ip, valid_until, last_use, sign_method, vhost })
      : undefined;
    return [foldName(user.username), { ...user, groups: readGroups(groups), token }];
  });
  // Names in NFC last: they replace the same name in NFD in the map.
  return new Map(accounts.sort(([, a], [, b]) => Number(isNfc(a.username)) - Number(isNfc(b.username))));
}
