import type { ErrorCode, FieldFault } from "../errors.ts";

interface NoReplyOptions extends ErrorOptions {
  /** Whether the request may be sent again on the spot: it did not reach a queue, or its reply can no longer come. */
  readonly isLost?: boolean;
}

/**
 * No reply came: the broker or the queue is not there, nobody answered in time, or the answer is no reply. Whether the
 * request was done is not known; the same key finds out.
 */
export class NoReplyError extends Error {
  override readonly name = "NoReplyError";
  readonly code = "NO_REPLY";
  /** True where sending again may help at once. */
  readonly isLost: boolean;

  constructor(message: string, { isLost = false, ...options }: NoReplyOptions = {}) {
    super(message, options);
    this.isLost = isLost;
  }
}

/** What a worker gave as the reason of a refusal. */
interface Refusal {
  readonly code: AuthErrorCode;
  readonly fields?: readonly FieldFault[] | undefined;
  readonly retryAfter?: number | undefined;
  readonly reference?: string | undefined;
}

/** One code of the table in docs/protocol.md, or one that a later worker has added. */
export type AuthErrorCode = ErrorCode | (string & {});

/** A worker's refusal, with the same members as the AppError of `createAuth`; `message` is its one sentence. */
export class AuthError extends Error {
  override readonly name = "AuthError";
  readonly code: AuthErrorCode;
  readonly respCode: number;
  /** For INVALID_INPUT: which fields of the request were refused, and why. */
  readonly fields: readonly FieldFault[] | undefined;
  /** For TOO_MANY_ATTEMPTS: seconds to wait. */
  readonly retryAfter: number | undefined;
  /** For INTERNAL: stands in the worker's log. */
  readonly reference: string | undefined;

  constructor(respCode: number, message: string, { code, fields, retryAfter, reference }: Refusal) {
    super(message);
    this.code = code;
    this.respCode = respCode;
    this.fields = fields;
    this.retryAfter = retryAfter;
    this.reference = reference;
  }
}

/** What a verifier may say no with, and the HTTP status that goes with it. */
const TOKEN_ERRORS = { INVALID_TOKEN: 401, FORBIDDEN: 403, UNAVAILABLE: 503 } as const;

/**
 * A token that does not do: INVALID_TOKEN is none that counts, FORBIDDEN is a good one of somebody who may not, and with
 * UNAVAILABLE the keys could not be had, so that nobody knows. The message never repeats the token.
 */
export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly code: keyof typeof TOKEN_ERRORS;

  constructor(code: keyof typeof TOKEN_ERRORS, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** 401, 403 or 503. */
  get respCode(): number {
    return TOKEN_ERRORS[this.code];
  }
}
