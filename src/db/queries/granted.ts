import { sql } from "kysely";
import { dialectOf, type Reader, type Trx } from "../database.ts";
import { padInList } from "../in-list-padding.ts";
import { toSqlTime } from "../time.ts";
import { ACCOUNT_COLUMNS, type AccountRow } from "./accounts.ts";
import { groupsOfUser, readGroups } from "./groups.ts";

/** What an access token was issued for, by the id of its row: a session or an API key. */
export type Grant = { readonly sid: bigint } | { readonly apiKeyId: bigint };

/** The accounts of unexpired sessions, by token id; revoked ones are absent. */
export async function findSessionHolders(
  db: Reader,
  tokenIds: readonly bigint[],
): Promise<ReadonlyMap<bigint, AccountRow>> {
  const rows = await db
    .selectFrom("token")
    .innerJoin("user", "user.username", "token.user_id")
    .select(ACCOUNT_COLUMNS)
    .select(["token.token_id", groupsOfUser(db)])
    .where("token.token_id", "in", padInList(tokenIds))
    .where("token.valid_until", ">", toSqlTime(new Date()))
    .execute();
  return new Map(
    rows.map(({ token_id, groups, ...user }) => [BigInt(token_id), { ...user, groups: readGroups(groups) }]),
  );
}

interface Question {
  /** The account, in its stored spelling. */
  readonly username: string;
  /** The group that the account must still be in; undefined if the caller needs none. */
  readonly group: string | undefined;
  /** Whether the transaction will change the account itself: two shared locks would then block each other. */
  readonly changesAccount: boolean;
}

/**
 * Whether a session or API key still exists, its account is activated, and is in a group. Locks these rows until the
 * transaction ends, so that they cannot be revoked before its effect is visible.
 */
export async function lockGranted(
  trx: Trx,
  grant: Grant,
  { username, group, changesAccount }: Question,
): Promise<"alive" | "ended" | "deactivated" | "not in the group"> {
  const locked = (exclusive: boolean) =>
    dialectOf(trx) === "sqlite" ? sql`` : exclusive ? sql`for update` : sql`lock in share mode`;
  const user = await trx
    .selectFrom("user")
    .select("activated")
    .where("username", "=", username)
    .modifyEnd(locked(changesAccount))
    .executeTakeFirst();
  if (user === undefined || !(await existsGrant(trx, grant, username, locked(changesAccount))))
    return "ended";
  if (user.activated !== 1) return "deactivated";
  if (group === undefined) return "alive";
  const member = await trx
    .selectFrom("usergroup")
    .select("groupname")
    .where("username", "=", username)
    .where("groupname", "=", group)
    .modifyEnd(locked(false))
    .executeTakeFirst();
  return member === undefined ? "not in the group" : "alive";
}

async function existsGrant(
  trx: Trx,
  grant: Grant,
  username: string,
  locked: ReturnType<typeof sql>,
): Promise<boolean> {
  const now = toSqlTime(new Date());
  const row =
    "sid" in grant
      ? await trx
          .selectFrom("token")
          .select("user_id")
          .where("token_id", "=", grant.sid)
          .where("valid_until", ">", now)
          .modifyEnd(locked)
          .executeTakeFirst()
      : await trx
          .selectFrom("api_key")
          .select("user_id")
          .where("api_key_id", "=", grant.apiKeyId)
          .where((is) => is.or([is("expires_at", "is", null), is("expires_at", ">", now)]))
          .modifyEnd(locked)
          .executeTakeFirst();
  return row?.user_id === username;
}
