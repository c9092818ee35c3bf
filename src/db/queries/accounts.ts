import type { Reader } from "../database.ts";
import { foldName, isNfc, keysOf } from "../names.ts";
import { padInList } from "../in-list-padding.ts";
import type { UserRow } from "../tables.ts";
import { groupsOfUser, readGroups } from "./groups.ts";
import { type IdTokenRow, toIdToken } from "./id-tokens.ts";

/** A user with groups and session, as one statement reads them. */
export interface AccountRow extends UserRow {
  readonly groups: readonly string[];
  /** Undefined without a session. */
  readonly token: IdTokenRow | undefined;
}

/** The accounts of some users by their folded names; a user that is not there has none. */
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
  // The name in NFC last: it is found rather than the same one in NFD.
  return new Map(accounts.sort(([, a], [, b]) => Number(isNfc(a.username)) - Number(isNfc(b.username))));
}
