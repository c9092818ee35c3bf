import type { AccountRow } from "../db/queries/accounts.ts";
import { AppError } from "../errors.ts";
import type { Context } from "../rpc/context.ts";

/** The account of the user that a request names; throws USER_NOT_FOUND. */
export async function loadAccount(
  { lookups }: Pick<Context, "lookups">,
  username: string,
): Promise<AccountRow> {
  return requireAccount(await lookups.account(username));
}

/** The account, where there is one; throws USER_NOT_FOUND. */
export function requireAccount(account: AccountRow | undefined): AccountRow {
  if (account === undefined) throw new AppError("USER_NOT_FOUND");
  return account;
}
