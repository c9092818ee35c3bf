import type { AccountRow } from "../../db/queries/accounts.ts";
import { isSameAccount } from "../../db/names.ts";
import type { UserRow } from "../../db/tables.ts";
import { fromSqlTime } from "../../db/time.ts";
import { AppError } from "../../errors.ts";
import type { Authenticated, Context } from "../../rpc/context.ts";

/** The account of the user that a request names; throws USER_NOT_FOUND. */
export async function getAccount(
  { lookups }: Pick<Context, "lookups">,
  username: string,
): Promise<AccountRow> {
  const user = await lookups.account(username);
  if (user === undefined) throw new AppError("USER_NOT_FOUND");
  return user;
}

/**
 * The row of the user that a request acts on, for an admin or the user itself. An access token outlives its user: a
 * name that was deleted and made anew is another person (INVALID_TOKEN), and who is turned off may do nothing
 * (ACCOUNT_NOT_ACTIVATED). Throws USER_NOT_FOUND, and FORBIDDEN for an account that only looks like the caller's.
 */
export async function getTargetRow({ lookups, caller }: Context<"self">, username: string): Promise<UserRow> {
  const user = await getAccount({ lookups }, username);
  if (caller.isAdmin) return user;
  if (!isSameAccount(caller.username, user.username)) throw new AppError("FORBIDDEN");
  assertNotOlder(caller, user);
  if (user.activated !== 1) throw new AppError("ACCOUNT_NOT_ACTIVATED");
  return user;
}

/** Whether a token was issued before the account that it names was made: then it was another one's. */
export function isOlderThan(
  { issuedAt }: Pick<Authenticated, "issuedAt">,
  { created_at }: Pick<UserRow, "created_at">,
): boolean {
  // iat has whole seconds.
  return issuedAt.getTime() + 1000 <= fromSqlTime(created_at).getTime();
}

/** Throws INVALID_TOKEN when a token was issued before the account that it names was made. */
export function assertNotOlder(caller: Authenticated, user: UserRow): void {
  if (isOlderThan(caller, user)) throw new AppError("INVALID_TOKEN", "the token is older than the account");
}
