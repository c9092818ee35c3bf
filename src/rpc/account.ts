import type { AccountRow } from "../db/queries/accounts.ts";
import { isNfc, isSameAccount, isSameName } from "../db/names.ts";
import type { UserRow } from "../db/tables.ts";
import { fromSqlTime } from "../db/time.ts";
import { AppError } from "../errors.ts";
import type { Authenticated, Services } from "./context.ts";
import type { Procedure } from "./procedure.ts";
import { stepsOf } from "./steps.ts";

/**
 * The account that a request names, by default the caller's own; undefined if there is none. The token of another
 * issuer outlives the account, so this checks callers who name themselves. Throws INVALID_TOKEN if the token is older
 * than the account, which then belongs to another person. With access "self" it also throws FORBIDDEN for a stored name
 * that only looks like the caller's, and ACCOUNT_NOT_ACTIVATED.
 */
export async function findNamedAccount(
  { lookups }: Pick<Services, "lookups">,
  procedure: Procedure,
  caller: Authenticated | undefined,
  { username = caller?.username }: Readonly<Record<string, unknown>>,
): Promise<AccountRow | undefined> {
  // Authorization has found it by the session.
  if (procedure.access === "enrolment") return caller?.account;
  if (caller === undefined || typeof username !== "string" || !stepsOf(procedure).account) return undefined;
  const { access } = procedure;
  // Authorization has read the caller's own account. Only in NFC does a stored name belong to one account for certain.
  const isCaller = username === caller.username && isNfc(username);
  const account = (isCaller ? caller.account : undefined) ?? (await lookups.account(username));
  // The procedure decides whether the account must exist: a replay has a reply even if it was deleted since.
  if (account === undefined || caller.isAdmin || !isSameName(username, caller.username)) return account;
  const isOwn = isSameAccount(caller.username, account.username);
  if (!isOwn && access === "self") throw new AppError("FORBIDDEN");
  if (isOwn && isOlderThan(caller, account))
    throw new AppError("INVALID_TOKEN", "the token is older than the account");
  if (access === "self" && account.activated !== 1) throw new AppError("ACCOUNT_NOT_ACTIVATED");
  return account;
}

/** Whether a token was issued before the account was created: then it belongs to an earlier account of this name. */
function isOlderThan(
  { issuedAt }: Pick<Authenticated, "issuedAt">,
  { created_at }: Pick<UserRow, "created_at">,
): boolean {
  // `iat` is in whole seconds.
  return issuedAt.getTime() + 1000 <= fromSqlTime(created_at).getTime();
}
