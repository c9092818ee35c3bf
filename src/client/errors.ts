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
