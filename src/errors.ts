/** Every error that a caller can get: `resp_code` and the text of `msg`. */
export const ERRORS = {
  INVALID_JSON: { resp: 400, msg: "the request is not a JSON object in UTF-8" },
  INVALID_INPUT: { resp: 400, msg: "the request is not valid" },
  NOT_LOCAL: {
    resp: 400,
    msg: "the account has no password here; a directory user's password and email are changed in the directory",
  },
  INVALID_CREDENTIALS: { resp: 401, msg: "could not log in: wrong username or password" },
  SECOND_FACTOR_REQUIRED: {
    resp: 401,
    msg: "the password is right and a second factor is needed; send challenge and an answer to login_continue",
  },
  SECOND_FACTOR_SETUP_REQUIRED: {
    resp: 401,
    msg: "the password is right and the account must set up a second factor; use setup_token for totp_begin or passkey_begin",
  },
  INVALID_TOKEN: { resp: 401, msg: "the token is missing, malformed, expired, revoked or of the wrong type" },
  FORBIDDEN: { resp: 403, msg: "the caller is not authorized to do this" },
  REAUTHENTICATION_REQUIRED: { resp: 403, msg: "the login is too old for this; log in again" },
  SECOND_FACTOR_OFF: {
    resp: 403,
    msg: "second factors are turned off in this installation (app_config.second_factor)",
  },
  PASSKEYS_OFF: { resp: 403, msg: "passkeys are not configured in this installation (app_config.passkeys)" },
  REGISTRATION_CLOSED: { resp: 403, msg: "registration is closed" },
  NO_BROKER_ACCESS: { resp: 403, msg: "the user has no broker permissions on the session's vhost" },
  ACCOUNT_NOT_ACTIVATED: { resp: 403, msg: "the account is not activated" },
  USER_NOT_FOUND: { resp: 404, msg: "no such user" },
  GROUP_NOT_FOUND: { resp: 404, msg: "no such group" },
  SESSION_NOT_FOUND: { resp: 404, msg: "the user has no such session" },
  API_KEY_NOT_FOUND: { resp: 404, msg: "the account has no such API key" },
  FACTOR_NOT_FOUND: { resp: 404, msg: "the account has no such second factor; factor_all lists them" },
  USERNAME_TAKEN: { resp: 409, msg: "the username is taken" },
  EMAIL_TAKEN: { resp: 409, msg: "the email address is taken" },
  GROUP_TAKEN: { resp: 409, msg: "the group exists already" },
  IDEMPOTENCY_CONFLICT: {
    resp: 409,
    msg: "the idempotency key was used for another request within the last 15 minutes; use a new key",
  },
  BROKER_TOKEN_TOO_LARGE: {
    resp: 409,
    msg: "the user's broker permissions do not fit into a broker token; list the needed groups in groups",
  },
  TOKEN_TOO_LARGE: {
    resp: 409,
    msg: "the token would be too long to be accepted; for an access token, list the needed groups in groups",
  },
  TOO_MANY_KEYS: { resp: 409, msg: "the account has 20 API keys; revoke one that is not used" },
  NO_PENDING_FACTOR: {
    resp: 409,
    msg: "no enrolment to confirm: none was begun, it has expired, or it was confirmed already; begin again",
  },
  TOO_MANY_FACTORS: { resp: 409, msg: "the account has 20 passkeys; remove one that is not used" },
  LAST_ADMIN: { resp: 409, msg: "this would remove the last administrator" },
  REQUEST_TOO_LARGE: { resp: 413, msg: "the request is too large" },
  TOO_MANY_ATTEMPTS: { resp: 429, msg: "too many failed logins; try again in retry_after seconds" },
  INTERNAL: { resp: 500, msg: "internal error; search the service's log for the reference" },
  UNAVAILABLE: {
    resp: 503,
    msg: "the service is unavailable: it cannot reach its database or directory, or it took too long; try again",
  },
} as const satisfies Record<string, { resp: number; msg: string }>;

/** `msg` of INVALID_CREDENTIALS in queues whose credential is not a password. */
export const WRONG_CREDENTIAL = {
  login_continue:
    "could not log in: the answer is wrong or was used already, or the challenge has ended; log in again",
  totp_confirm: "the code is wrong; check the clock of the device, and send the next code",
  passkey_confirm: "the credential is not valid for this site, account and challenge; begin again",
} as const;

/** An error code: a key of `ERRORS`. */
export type ErrorCode = keyof typeof ERRORS;

/** An invalid field of a request: its path, separated by dots, and a sentence that never contains the value. */
export interface FieldFault {
  readonly path: string;
  readonly msg: string;
}

interface AppErrorOptions extends ErrorOptions {
  /** Sent to the caller instead of the text in `ERRORS`; must not contain secrets. */
  readonly publicMsg?: string;
  readonly fields?: readonly FieldFault[];
  readonly reference?: string;
  readonly retryAfter?: number;
  /** Further fields of the reply, for a login that needs a second factor. */
  readonly data?: LoginStep;
}

/** How a second factor answers a login: a code of an authenticator app, a passkey or a recovery code. */
export type SecondFactorMethod = "totp" | "passkey" | "recovery_code";

/** How a login with the right password goes on; `resp_data` of SECOND_FACTOR_REQUIRED and its SETUP variant. */
export interface LoginStep {
  /** For `login_continue`. */
  readonly challenge?: string;
  /** The factors that the account can answer with. */
  readonly methods?: readonly SecondFactorMethod[];
  /** PublicKeyCredentialRequestOptions in JSON form (WebAuthn section 5.1.9). */
  readonly passkey_options?: Readonly<Record<string, unknown>>;
  /** For `totp_begin`, `passkey_begin` and their confirmations. */
  readonly setup_token?: string;
}

/** An error with a code of `ERRORS`; `message` and `cause` go to the log, `publicMsg` goes to the caller. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly publicMsg: string;
  readonly fields: readonly FieldFault[] | undefined;
  readonly reference: string | undefined;
  /** Seconds. */
  readonly retryAfter: number | undefined;
  /** Private, so that no log line of an error contains it. */
  readonly #data: LoginStep | undefined;

  constructor(code: ErrorCode, detail?: string, options: AppErrorOptions = {}) {
    super(detail ?? ERRORS[code].msg, options);
    this.code = code;
    this.publicMsg = options.publicMsg ?? ERRORS[code].msg;
    this.fields = options.fields;
    this.reference = options.reference;
    this.retryAfter = options.retryAfter;
    this.#data = options.data;
  }

  /** The detail for the log; undefined if the error has only the text of `ERRORS`. */
  get detail(): string | undefined {
    return this.message === ERRORS[this.code].msg ? undefined : this.message;
  }

  /** Further fields of the reply. */
  get data(): LoginStep | undefined {
    return this.#data;
  }

  /** For SECOND_FACTOR_REQUIRED: the challenge, for `login_continue`. */
  get challenge(): string | undefined {
    return this.#data?.challenge;
  }

  /** For SECOND_FACTOR_REQUIRED: how the account can answer. */
  get methods(): LoginStep["methods"] {
    return this.#data?.methods;
  }

  /** For SECOND_FACTOR_REQUIRED with passkeys: the options for `navigator.credentials.get`, in JSON form. */
  get passkeyOptions(): LoginStep["passkey_options"] {
    return this.#data?.passkey_options;
  }

  /** For SECOND_FACTOR_SETUP_REQUIRED: the token that enrols a second factor. */
  get setupToken(): string | undefined {
    return this.#data?.setup_token;
  }

  /** The value of `resp_code`. */
  get respCode(): number {
    return ERRORS[this.code].resp;
  }
}

/** The caller no longer waits for the reply: the work stops and no reply is sent. */
export class RequestCancelled extends Error {
  override readonly name = "RequestCancelled";
}

/** The message of an error, for a log line or a terminal. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A refused TCP connection to a host with two addresses is an AggregateError with an empty message.
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join("; ");
  return error.message;
}
