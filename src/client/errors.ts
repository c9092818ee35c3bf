import type { ErrorCode, FieldFault, LoginStep } from "../errors.ts";

interface NoReplyOptions extends ErrorOptions {
  /** Whether to retry at once: the request reached no queue, or its reply can no longer arrive. */
  readonly isLost?: boolean;
  readonly respCode?: NoReplyError["respCode"];
}

/**
 * No valid reply arrived: the broker or queue is missing, no worker answered in time, or the reply is malformed. The
 * request may have been executed; retry with the same idempotency key to get its reply.
 */
export class NoReplyError extends Error {
  override readonly name = "NoReplyError";
  readonly code = "NO_REPLY";
  /** Whether an immediate retry may succeed. */
  readonly isLost: boolean;
  /** The HTTP status for a gateway: 502 malformed reply, 503 no connection to the broker or no queue, 504 timeout. */
  readonly respCode: 502 | 503 | 504;

  constructor(message: string, { isLost = false, respCode = 503, ...options }: NoReplyOptions = {}) {
    super(message, options);
    this.isLost = isLost;
    this.respCode = respCode;
  }
}

/** The fields of a worker's error reply. */
interface ErrorReply {
  readonly code: AuthErrorCode;
  readonly fields?: readonly FieldFault[] | undefined;
  readonly retryAfter?: number | undefined;
  readonly reference?: string | undefined;
  readonly loginStep?: LoginStep | undefined;
}

/** An error code of docs/protocol.md, or one that a later version of the worker added. */
export type AuthErrorCode = ErrorCode | (string & {});

/** A worker's error reply, with the same members as the AppError of `createAuth`; `message` is the reply's `msg`. */
export class AuthError extends Error {
  override readonly name = "AuthError";
  readonly code: AuthErrorCode;
  readonly respCode: number;
  /** For INVALID_INPUT: the invalid fields of the request, with the reasons. */
  readonly fields: readonly FieldFault[] | undefined;
  /** For TOO_MANY_ATTEMPTS: seconds to wait. */
  readonly retryAfter: number | undefined;
  /** For INTERNAL: find the log line of the worker with this reference. */
  readonly reference: string | undefined;
  /** Private, so that no log line of an error contains it. */
  readonly #loginStep: LoginStep;

  constructor(
    respCode: number,
    message: string,
    { code, fields, retryAfter, reference, loginStep = {} }: ErrorReply,
  ) {
    super(message);
    this.code = code;
    this.respCode = respCode;
    this.fields = fields;
    this.retryAfter = retryAfter;
    this.reference = reference;
    this.#loginStep = loginStep;
  }

  /** For SECOND_FACTOR_REQUIRED: the challenge, for `session.loginContinue`. */
  get challenge(): string | undefined {
    return this.#loginStep.challenge;
  }

  /** For SECOND_FACTOR_REQUIRED: how the account can answer. */
  get methods(): LoginStep["methods"] {
    return this.#loginStep.methods;
  }

  /** For SECOND_FACTOR_REQUIRED with passkeys: the options for `navigator.credentials.get`, in JSON form. */
  get passkeyOptions(): LoginStep["passkey_options"] {
    return this.#loginStep.passkey_options;
  }

  /** For SECOND_FACTOR_SETUP_REQUIRED: the token that enrols a second factor. */
  get setupToken(): string | undefined {
    return this.#loginStep.setup_token;
  }
}

/**
 * Another login of the same user keeps ending the session: the installation allows fewer sessions than there are
 * replicas. Logging in again would only end the other one's session.
 */
export class SessionLimitError extends Error {
  override readonly name = "SessionLimitError";
  readonly code = "SESSION_LIMIT";
}

/** The error codes of a verifier, with their HTTP status codes. */
const TOKEN_ERRORS = {
  INVALID_TOKEN: 401,
  INSUFFICIENT_USER_AUTHENTICATION: 401,
  FORBIDDEN: 403,
  UNAVAILABLE: 503,
} as const;

/**
 * A token was not accepted. INVALID_TOKEN: the token is not valid. FORBIDDEN: it is valid, but lacks a required group
 * or vhost. INSUFFICIENT_USER_AUTHENTICATION (RFC 9470): the user must log in again, with a required method or because
 * the login is too old. UNAVAILABLE: the public keys could not be fetched. The message never contains the token.
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
