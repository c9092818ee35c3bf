import type { AttemptOutcome } from "../auth/throttle/policy.ts";
import { AppError, type ErrorCode } from "../errors.ts";
import { addressIn } from "./authorize.ts";
import type { Services } from "./context.ts";
import type { InFlight } from "./in-flight.ts";

/**
 * The outcome that an error implies for the attempted password; others are "undecided". SECOND_FACTOR_REQUIRED is
 * undecided, because the right password must not clear the failures of wrong codes. An idempotency conflict means a
 * different password from the first request's: a caller who knows the key could otherwise guess passwords.
 */
const OUTCOMES: Partial<Record<ErrorCode, AttemptOutcome>> = {
  INVALID_CREDENTIALS: "failed",
  IDEMPOTENCY_CONFLICT: "failed",
  ACCOUNT_NOT_ACTIVATED: "succeeded",
  TOKEN_TOO_LARGE: "succeeded",
};

/**
 * Returns the result of `work`, and counts it if it tries a password or second factor. Throws TOO_MANY_ATTEMPTS if the
 * account is rate limited.
 */
export async function rateLimited<T>(
  services: Services,
  { procedure, message, deadline }: InFlight,
  input: Readonly<Record<string, unknown>>,
  work: () => Promise<T>,
): Promise<T> {
  const account = await procedure.guesses?.(input, services);
  if (account === undefined) return work();
  const origin = { userId: message?.incoming.userId ?? "", ip: addressIn(input) };
  const attempt = await services.throttle.admit(account, origin, deadline.left);
  let result: T;
  try {
    result = await work();
  } catch (error) {
    const outcome = (error instanceof AppError ? OUTCOMES[error.code] : undefined) ?? "undecided";
    const settled = attempt.settle(outcome);
    // A failed password must be counted before the caller gets the reply; an attempt without an outcome expires by
    // itself.
    await (outcome === "undecided" ? settled.catch(() => undefined) : settled);
    throw error;
  }
  // The request has succeeded: an error here must not fail it.
  await attempt.settle("succeeded").catch(() => undefined);
  return result;
}
