import { SessionLimitError } from "./errors.ts";

/** How long a client error (4xx) is returned without a new request, in milliseconds, unless it has `retryAfter`. */
const SHORT = 1000;

/** How long a SessionLimitError is: each new login would end another replica's session. */
const LONG = 60_000;

/** Repeats a client error (4xx) for a while without a new request. */
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
  const { respCode = 0, retryAfter = SHORT / 1000 } = errorReplyIn(error);
  return respCode >= 400 && respCode < 500 ? retryAfter * 1000 : 0;
}

/** The codes in an AuthError, or in an AppError of `createAuth`. */
export function errorReplyIn(error: unknown): { readonly respCode?: number; readonly retryAfter?: number } {
  if (!(error instanceof Error)) return {};
  return {
    ...("respCode" in error && typeof error.respCode === "number" ? { respCode: error.respCode } : {}),
    ...("retryAfter" in error && typeof error.retryAfter === "number"
      ? { retryAfter: error.retryAfter }
      : {}),
  };
}
