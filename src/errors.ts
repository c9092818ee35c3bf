/** Every failure a caller can see: the wire code and the only text that leaves the process. */
export const ERRORS = {
  INVALID_JSON: { resp: 400, msg: "the request is not a JSON object in UTF-8" },
  INVALID_INPUT: { resp: 400, msg: "the request is not valid" },
  NOT_LOCAL: { resp: 400, msg: "password and email of a directory user are changed in the directory" },
  INVALID_CREDENTIALS: { resp: 401, msg: "could not log in: wrong username or password" },
  INVALID_TOKEN: { resp: 401, msg: "the token is missing, malformed, expired, revoked or of the wrong kind" },
  FORBIDDEN: { resp: 403, msg: "the caller may not do this" },
  REGISTRATION_CLOSED: { resp: 403, msg: "registration is closed" },
  NO_BROKER_ACCESS: { resp: 403, msg: "the user may do nothing on the broker, on the vhost of the session" },
  ACCOUNT_NOT_ACTIVATED: { resp: 403, msg: "the account is not activated" },
  USER_NOT_FOUND: { resp: 404, msg: "no such user" },
  GROUP_NOT_FOUND: { resp: 404, msg: "no such group" },
  USERNAME_TAKEN: { resp: 409, msg: "the username is taken" },
  EMAIL_TAKEN: { resp: 409, msg: "the email address is taken" },
  GROUP_TAKEN: { resp: 409, msg: "the group exists already" },
  IDEMPOTENCY_CONFLICT: { resp: 409, msg: "the key was used for another request within the last 15 minutes" },
  BROKER_TOKEN_TOO_LARGE: {
    resp: 409,
    msg: "the user's groups may do more on the broker than a token can say",
  },
  TOKEN_TOO_LARGE: {
    resp: 409,
    msg: "the token would be too long to be accepted; for an access token name the groups that it needs in groups",
  },
  LAST_ADMIN: { resp: 409, msg: "this would remove the last administrator" },
  REQUEST_TOO_LARGE: { resp: 413, msg: "the request is too large" },
  TOO_MANY_ATTEMPTS: { resp: 429, msg: "too many failed logins; try again in retry_after seconds" },
  INTERNAL: { resp: 500, msg: "a fault of the service; the reference stands in its log" },
  UNAVAILABLE: {
    resp: 503,
    msg: "the service cannot do this now: its database or directory is out of reach, or it took too long; try again",
  },
} as const satisfies Record<string, { resp: number; msg: string }>;

/** One code of the closed table of failures. */
export type ErrorCode = keyof typeof ERRORS;

/** One refused field of a request: its path in dots and a sentence that never repeats the value. */
export interface FieldFault {
  readonly path: string;
  readonly msg: string;
}

interface AppErrorOptions extends ErrorOptions {
  /** Says more than the sentence of the table, and nothing secret. */
  readonly publicMsg?: string;
  readonly fields?: readonly FieldFault[];
  readonly reference?: string;
  readonly retryAfter?: number;
}

/** A failure with a code of the table; `message` and `cause` are for the log, `publicMsg` is for the caller. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly publicMsg: string;
  readonly fields: readonly FieldFault[] | undefined;
  readonly reference: string | undefined;
  /** Seconds. */
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, detail?: string, options: AppErrorOptions = {}) {
    super(detail ?? ERRORS[code].msg, options);
    this.code = code;
    this.publicMsg = options.publicMsg ?? ERRORS[code].msg;
    this.fields = options.fields;
    this.reference = options.reference;
    this.retryAfter = options.retryAfter;
  }

  /** What the log says beyond the sentence of the table, if anything. */
  get detail(): string | undefined {
    return this.message === ERRORS[this.code].msg ? undefined : this.message;
  }

  /** The code that goes into `resp_code`. */
  get respCode(): number {
    return ERRORS[this.code].resp;
  }
}

/** Nobody waits for the answer any more: the work stops and no reply is sent. */
export class RequestCancelled extends Error {
  override readonly name = "Abandoned";
}

/** The first line of what went wrong, for a log line or a terminal. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A refused TCP connection to a name with two addresses is an AggregateError with an empty message.
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join("; ");
  return error.message;
}
