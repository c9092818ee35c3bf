import type { Throttle } from "../auth/throttle.ts";
import type { AttemptOutcome } from "../auth/throttle/policy.ts";
import { AppError, type ErrorCode } from "../errors.ts";
import { addressIn } from "./authorize.ts";
import type { InFlight } from "./in-flight.ts";

/**
 * The outcome that an error implies for the attempted password. An idempotency conflict means a different password from
 * the first request's: a caller who knows the key could otherwise guess passwords.
 */
const OUTCOMES: Partial<Record<ErrorCode, AttemptOutcome>> = {
  INVALID_CREDENTIALS: "failed",
  IDEMPOTENCY_CONFLICT: "failed",
  ACCOUNT_NOT_ACTIVATED: "succeeded",
  TOKEN_TOO_LARGE: "succeeded",
};

/**
 * Returns the result of `work`, and counts it if it tries a password. Throws TOO_MANY_ATTEMPTS if the account is rate
 * limited.
 */
export async function rateLimited<T>(
  throttle: Throttle,
  { procedure, message, deadline }: InFlight,
  input: Readonly<Record<string, unknown>>,
  work: () => Promise<T>,
): Promise<T> {
  const account = procedure.guesses?.(input);
  if (account === undefined) return work();
  const origin = { userId: message?.incoming.userId ?? "", ip: addressIn(input) };
  const attempt = await throttle.admit(account, origin, deadline.left);
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
