import type { Db } from "../database.ts";
import { padded } from "../padded.ts";
import type { UserRow } from "../tables.ts";
import { groupsOfUser, readGroups } from "./groups.ts";
import { type IdTokenRow, toIdToken } from "./id-tokens.ts";

/** A user with groups and session, as one statement reads them. */
export interface AccountRow extends UserRow {
  readonly groups: readonly string[];
  /** Undefined without a session. */
  readonly token: IdTokenRow | undefined;
}

/** The accounts of some users by their folded names, which are asked for; a user that is not there has none. */
export async function findAccounts(
  db: Db,
  keys: readonly string[],
): Promise<ReadonlyMap<string, AccountRow>> {
  const rows = await db
    .selectFrom("user")
    .leftJoin("token", "token.user_id", "user.username")
    .selectAll("user")
    .select(["token_id", "ip", "valid_until", "last_use", "sign_method", "vhost"])
    .select(groupsOfUser(db))
    .where("user.username_key", "in", padded(keys))
    .execute();
  const accounts = rows.map((row): readonly [string, AccountRow] => {
    const { token_id, ip, valid_until, last_use, sign_method, vhost, groups, ...user } = row;
    const hasToken =
      token_id !== null && ip !== null && valid_until !== null && sign_method !== null && vhost !== null;
    const token = hasToken
      ? toIdToken({ token_id, ip, valid_until, last_use, sign_method, vhost })
      : undefined;
    return [user.username_key, { ...user, groups: readGroups(groups), token }];
  });
  return new Map(accounts);
}
