import type { Origin, Throttle } from "../auth/throttle.ts";
import type { Outcome } from "../auth/throttle/policy.ts";
import { AppError, type ErrorCode } from "../errors.ts";
import type { Deadline } from "./deadline.ts";

/**
 * What a failure says of the password that was tried. A conflict of keys says that it is not the one that the key was used
 * with: who knows the key could else try passwords by it.
 */
const OUTCOMES: Partial<Record<ErrorCode, Outcome>> = {
  INVALID_CREDENTIALS: "failed",
  IDEMPOTENCY_CONFLICT: "failed",
  ACCOUNT_NOT_ACTIVATED: "succeeded",
  TOKEN_TOO_LARGE: "succeeded",
};

interface Guess {
  readonly account: string;
  readonly origin: Origin;
  readonly deadline: Deadline;
}

/** The result of `work`, which tries an account's password, and counted; throws TOO_MANY_ATTEMPTS where it must wait. */
export async function throttled<T>(
  throttle: Throttle,
  { account, origin, deadline }: Guess,
  work: () => Promise<T>,
): Promise<T> {
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
