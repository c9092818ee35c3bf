import type { AccountRow } from "../db/queries/accounts.ts";
import { isSameAccount, isSameName } from "../db/names.ts";
import type { UserRow } from "../db/tables.ts";
import { fromSqlTime } from "../db/time.ts";
import { AppError } from "../errors.ts";
import type { Authenticated, Services } from "./context.ts";
import type { Procedure } from "./procedure.ts";
import { stepsOf } from "./steps.ts";

/**
 * The account that a request about a user names, if there is one. An access token outlives its account. So for callers
 * who name themselves it throws INVALID_TOKEN when the token is older than the account, which then is another person's;
 * and where they act on it, FORBIDDEN for an account that only looks like theirs, and ACCOUNT_NOT_ACTIVATED.
 */
export async function findNamedAccount(
  { lookups }: Pick<Services, "lookups">,
  procedure: Procedure,
  caller: Authenticated | undefined,
  { username }: Readonly<Record<string, unknown>>,
): Promise<AccountRow | undefined> {
  if (caller === undefined || typeof username !== "string" || !stepsOf(procedure).account) return undefined;
  const { access } = procedure;
  const account = await lookups.account(username);
  // Whether it must be there is for the procedure to say: a replay has its reply although it is deleted by now.
  if (account === undefined || caller.isAdmin || !isSameName(username, caller.username)) return account;
  const isOwn = isSameAccount(caller.username, account.username);
  if (!isOwn && access === "self") throw new AppError("FORBIDDEN");
  if (isOwn && isOlderThan(caller, account))
    throw new AppError("INVALID_TOKEN", "the token is older than the account");
  if (access === "self" && account.activated !== 1) throw new AppError("ACCOUNT_NOT_ACTIVATED");
  return account;
}

/** Whether a token was issued before the account that it names was created: then it was another one's. */
export function isOlderThan(
  { issuedAt }: Pick<Authenticated, "issuedAt">,
  { created_at }: Pick<UserRow, "created_at">,
): boolean {
  // iat has whole seconds.
  return issuedAt.getTime() + 1000 <= fromSqlTime(created_at).getTime();
}
