import type { Throttle } from "../auth/throttle.ts";
import type { AttemptOutcome } from "../auth/throttle/policy.ts";
import { AppError, type ErrorCode } from "../errors.ts";
import { addressIn } from "./authorize.ts";
import type { InFlight } from "./in-flight.ts";

/**
 * What a failure says of the password that was tried. A conflict of keys says that it is not the one that the key was used
 * with: who knows the key could else try passwords by it.
 */
const OUTCOMES: Partial<Record<ErrorCode, AttemptOutcome>> = {
  INVALID_CREDENTIALS: "failed",
  IDEMPOTENCY_CONFLICT: "failed",
  ACCOUNT_NOT_ACTIVATED: "succeeded",
  TOKEN_TOO_LARGE: "succeeded",
};

/** The result of `work`, counted where it tries an account's password; throws TOO_MANY_ATTEMPTS where that must wait. */
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
    // Whoever learns that a password is wrong has used up an attempt; one that has no outcome lapses by itself.
    await (outcome === "undecided" ? settled.catch(() => undefined) : settled);
    throw error;
  }
  // It is done, and nothing may fail any more.
  await attempt.settle("succeeded").catch(() => undefined);
  return result;
}
