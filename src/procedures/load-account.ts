import type { AccountRow } from "../db/queries/accounts.ts";
import { AppError } from "../errors.ts";
import type { Context } from "../rpc/context.ts";

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
