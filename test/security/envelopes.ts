import { Matcher } from "./matcher.ts";

/** A complete reply. */
export interface Envelope {
  readonly resp_code: number;
  readonly resp_data: Readonly<Record<string, unknown>>;
}

function refusal(resp_code: number, error: string, msg: string): Envelope {
  return { resp_code, resp_data: { msg, error } };
}

/** The exact errors of the protocol, written independently of src. */
export const INVALID_JSON = refusal(400, "INVALID_JSON", "the request is not a JSON object in UTF-8");
export const NOT_LOCAL = refusal(
  400,
  "NOT_LOCAL",
  "the account has no password here; a directory user's password and email are changed in the directory",
);
export const INVALID_CREDENTIALS = refusal(
  401,
  "INVALID_CREDENTIALS",
  "could not log in: wrong username or password",
);
export const INVALID_TOKEN = refusal(
  401,
  "INVALID_TOKEN",
  "the token is missing, malformed, expired, revoked or of the wrong type",
);
/** 401 for a request without the required token. */
export function noToken(field: string): Envelope {
  return refusal(401, "INVALID_TOKEN", `${field} is missing`);
}

export const FORBIDDEN = refusal(403, "FORBIDDEN", "the caller is not authorized to do this");
export const REGISTRATION_CLOSED = refusal(403, "REGISTRATION_CLOSED", "registration is closed");
export const NOT_ACTIVATED = refusal(403, "ACCOUNT_NOT_ACTIVATED", "the account is not activated");
export const USER_NOT_FOUND = refusal(404, "USER_NOT_FOUND", "no such user");
export const GROUP_NOT_FOUND = refusal(404, "GROUP_NOT_FOUND", "no such group");
export const SESSION_NOT_FOUND = refusal(404, "SESSION_NOT_FOUND", "the user has no such session");
export const API_KEY_NOT_FOUND = refusal(404, "API_KEY_NOT_FOUND", "the account has no such API key");
export const USERNAME_TAKEN = refusal(409, "USERNAME_TAKEN", "the username is taken");
export const EMAIL_TAKEN = refusal(409, "EMAIL_TAKEN", "the email address is taken");
export const GROUP_TAKEN = refusal(409, "GROUP_TAKEN", "the group exists already");
export const LAST_ADMIN = refusal(409, "LAST_ADMIN", "this would remove the last administrator");
export const CONFLICT = refusal(
  409,
  "IDEMPOTENCY_CONFLICT",
  "the idempotency key was used for another request within the last 15 minutes; use a new key",
);
export const FACTOR_NOT_FOUND = refusal(
  404,
  "FACTOR_NOT_FOUND",
  "the account has no such second factor; factor_all lists them",
);
export const NO_PENDING_FACTOR = refusal(
  409,
  "NO_PENDING_FACTOR",
  "no enrolment to confirm: none was begun, it has expired, or it was confirmed already; begin again",
);
/** The only reply of login_continue to an answer that is not right. */
export const WRONG_ANSWER = refusal(
  401,
  "INVALID_CREDENTIALS",
  "could not log in: the answer is wrong or was used already, or the challenge has ended; log in again",
);
export const TOO_LARGE = refusal(413, "REQUEST_TOO_LARGE", "the request is too large");

/** The only reply of introspect for an invalid token. */
export const INACTIVE: Envelope = { resp_code: 200, resp_data: { active: false } };

/** 429 with a retry_after of at most `seconds`. */
export function tooMany(seconds: number): Envelope {
  const { resp_code, resp_data } = refusal(
    429,
    "TOO_MANY_ATTEMPTS",
    "too many failed logins; try again in retry_after seconds",
  );
  const retry_after = new Matcher(
    `a whole number from 1 to ${seconds}`,
    (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= seconds,
  );
  return { resp_code, resp_data: { ...resp_data, retry_after } };
}

/** 400 with these fields, in the order of the schema. */
export function invalid(...fields: readonly (readonly [path: string, msg: string])[]): Envelope {
  const { resp_code, resp_data } = refusal(400, "INVALID_INPUT", "the request is not valid");
  return { resp_code, resp_data: { ...resp_data, fields: fields.map(([path, msg]) => ({ path, msg })) } };
}

/** 200 with this data. */
export function ok(resp_data: Readonly<Record<string, unknown>>): Envelope {
  return { resp_code: 200, resp_data };
}

/** 200 of a user queue with an effect. */
export function doneReply(msg: string): Envelope {
  return ok({ success: true, msg });
}

/** Messages about fields. */
export const MISSING = "is missing";
export const NOT_A_STRING = "must be a string";
export const LONE_SURROGATE = "must be well-formed Unicode";
export const TOO_LONG = "must have at most 100 characters";
export const TRAILING_SPACE = "must not end with a space";
export const NO_USERNAME = "must match [a-zA-Z-_0-9]{4,30}";
export const NO_GROUP = "must match [a-zA-Z0-9_-]{1,50}";
export const NO_IP = "must be *, an IPv4 or an IPv6 address";
const LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
export const NO_EMAIL = `must match [a-zA-Z0-9.!#$%&'*+\\/=?^_\`{|}~-]+@${LABEL}(?:\\.${LABEL})+`;

/** A time in UTC. */
export const moment = new Matcher(
  "a time in UTC",
  (value) => typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value),
);

/** A JWS in compact form. */
const aToken = new Matcher(
  "a token",
  (value) => typeof value === "string" && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(value),
);

const ends = {
  expires_at: moment,
  expires_in: new Matcher("a whole number of seconds", Number.isSafeInteger),
};

/** 200 of a login. */
export const LOGGED_IN = ok({ id_token: aToken, ...ends });

/** 200 of an exchange for an access token. */
export const EXCHANGED = ok({ access_token: aToken, ...ends });
