import { SessionLimitError } from "./errors.ts";

/** How long a client error (4xx) is returned without a new request, in milliseconds, unless it has `retryAfter`. */
const SHORT = 1000;

/**
 * How long an error is returned that another login does not change: it would end another replica's session, or create
 * one more challenge that nobody answers.
 */
const LONG = 60_000;

/** Repeats a client error (4xx), or an error of a function in the options, for a while without a new request. */
export class ErrorCache {
  #last: { readonly error: unknown; readonly until: number } | undefined;

  async run<T>(request: () => Promise<T>): Promise<T> {
    if (this.#last !== undefined && performance.now() < this.#last.until) throw this.#last.error;
    try {
      return await request();
    } catch (error) {
      const duration = durationOf(error);
      if (duration > 0) this.#last = { error, until: performance.now() + duration };
      throw error;
    }
  }
}

function durationOf(error: unknown): number {
  if (error instanceof SessionLimitError) return LONG;
  const { code, respCode, retryAfter = SHORT / 1000 } = errorReplyIn(error);
  if (code === "SECOND_FACTOR_REQUIRED" || code === "SECOND_FACTOR_SETUP_REQUIRED") return LONG;
  // Not a reply: a function in the options failed, perhaps after a login that needs a second factor.
  if (respCode === undefined) return SHORT;
  return respCode >= 400 && respCode < 500 ? retryAfter * 1000 : 0;
}

/** What a worker's reply says in an AuthError, or in an AppError of `createAuth`. */
interface ErrorReply {
  readonly code?: string;
  readonly respCode?: number;
  readonly retryAfter?: number;
}

/** The codes in an AuthError, or in an AppError of `createAuth`. */
export function errorReplyIn(error: unknown): ErrorReply {
  if (!(error instanceof Error)) return {};
  return {
    ...("code" in error && typeof error.code === "string" ? { code: error.code } : {}),
    ...("respCode" in error && typeof error.respCode === "number" ? { respCode: error.respCode } : {}),
    ...("retryAfter" in error && typeof error.retryAfter === "number"
      ? { retryAfter: error.retryAfter }
      : {}),
  };
}
