import type { VerifiedLogin } from "../../accounts/sessions.ts";
import type { Writer } from "../../accounts/writer.ts";
import { nextStep } from "../../auth/second-factor/policy.ts";
import type { AppConfig } from "../../config/schema.ts";
import { type FactorRow, listFactors } from "../../db/queries/factors.ts";
import type { LockedUser } from "../../db/queries/users.ts";
import { AppError } from "../../errors.ts";
import type { Context } from "../../rpc/context.ts";
import { AccountChanged, type SessionOrigin } from "./open-session.ts";

/** The password was right, but the session needs a second factor: rolls back its start. */
export class FactorNeeded extends Error {
  override readonly name = "FactorNeeded";
  readonly account: LockedUser;
  /** Empty if the account must enrol one. */
  readonly factors: readonly FactorRow[];

  constructor(account: LockedUser, factors: readonly FactorRow[]) {
    super("the session needs a second factor");
    this.account = account;
    this.factors = factors;
  }
}

/** Throws FactorNeeded if a locked account has or needs a second factor. */
export async function assertNoFactorNeeded(
  app: AppConfig,
  { trx }: Writer,
  account: LockedUser,
  groups: readonly string[],
): Promise<void> {
  if (app.second_factor === "off") return;
  const factors = await listFactors(trx, account.username);
  if (nextStep(app, account, { groups, factors }) !== "session") throw new FactorNeeded(account, factors);
}

/**
 * Answers a login with the right password and without a second factor: throws SECOND_FACTOR_REQUIRED with a challenge,
 * or SECOND_FACTOR_SETUP_REQUIRED with a setup token. Throws AccountChanged if the account has changed meanwhile.
 */
export async function askForFactor(
  { announceEvents, challenges, issuer }: Context,
  { ip, vhost, client, amr }: SessionOrigin,
  verified: VerifiedLogin,
  { account, factors }: FactorNeeded,
): Promise<never> {
  const login = { ip, vhost, client, amr };
  const data = await challenges.issue(verified, login, factors);
  if (data === undefined) throw new AccountChanged();
  announceEvents();
  if (factors.length > 0) throw new AppError("SECOND_FACTOR_REQUIRED", undefined, { data });
  const setup_token = issuer.signSetupToken(account.username, {
    ...login,
    challenge: data.challenge,
  });
  throw new AppError("SECOND_FACTOR_SETUP_REQUIRED", undefined, { data: { setup_token } });
}
