import type { AccountRow } from "../db/queries/accounts.ts";
import { isSameName } from "../db/names.ts";
import { AppError } from "../errors.ts";
import type { Authenticated, Context } from "../rpc/context.ts";

/** Loads the account with this username; throws USER_NOT_FOUND. */
export async function loadAccount(
  { lookups }: Pick<Context, "lookups">,
  username: string,
): Promise<AccountRow> {
  return requireAccount(await lookups.account(username));
}

/** Returns the account; throws USER_NOT_FOUND if it is undefined. */
export function requireAccount(account: AccountRow | undefined): AccountRow {
  if (account === undefined) throw new AppError("USER_NOT_FOUND");
  return account;
}

/**
 * Throws FORBIDDEN if the caller changes the own second factors without a session of this installation: neither an API
 * key nor another issuer's token proves that the person is there.
 */
export function assertOwnSession({ username, grant }: Authenticated, account: AccountRow): void {
  const hasSession = grant !== undefined && "sid" in grant;
  if (!hasSession && isSameName(username, account.username))
    throw new AppError("FORBIDDEN", "the own second factors can be changed only in a session");
}

/**
 * Throws FORBIDDEN if an API key's token is used on the key's own account: a key, which may be limited to some groups,
 * must not become a password that has all of them.
 */
export function assertNoOwnKey({ username, grant }: Authenticated, account: AccountRow): void {
  if (grant !== undefined && "apiKeyId" in grant && username === account.username)
    throw new AppError("FORBIDDEN", "an API key may not change or delete its own account");
}
