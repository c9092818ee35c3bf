import { z } from "zod";
import { isHashable } from "../auth/password.ts";
import { preparePassword } from "../auth/password/prepare.ts";
import { ANY_IP } from "../auth/session.ts";
import { foldPassword } from "../config/blocklist.ts";
import { fullMatch } from "../config/patterns.ts";
import type { AppConfig } from "../config/schema.ts";
import { isDistinct } from "../db/names.ts";
import { canonicalIp } from "./ip.ts";

const MAX_NAME = 100;

/** Runs a refinement of the whole request even if single fields are invalid, so that one reply lists all errors. */
export const alwaysChecked = { when: (): boolean => true };

/** A string without lone surrogates: encoded as UTF-8, different ones would become the same character. */
export function textField(error = "must be a string"): z.ZodString {
  return z.string(error).refine((value) => value.isWellFormed(), {
    error: "must be well-formed Unicode",
    abort: true,
  });
}

function name(pattern: string, schema = textField()): z.ZodString {
  const tooLong = { error: `must have at most ${MAX_NAME} characters`, abort: true };
  return matching(schema.max(MAX_NAME, tooLong), pattern);
}

/** Uses zod's `regex` where possible, so that the published schemas contain the pattern. */
function matching(schema: z.ZodString, source: string): z.ZodString {
  const pattern = fullMatch(source);
  const error = `must match ${source}`;
  return pattern instanceof RegExp
    ? schema.regex(pattern, error)
    : schema.refine((value) => pattern.test(value), error);
}

/** A username, normalized to NFC: keyboards compose characters differently. Lookups ignore case. */
export function username(app: AppConfig): z.ZodString {
  return name(app.username_regex, textField().normalize("NFC")).describe("username, case-insensitive");
}

/** A group name, case-sensitive. */
export function groupname(app: AppConfig): z.ZodString {
  return name(app.group_regex)
    .refine(isDistinct, "must not end with a space")
    .describe("group name, case-sensitive");
}

/** An email address, normalized to NFC like a username. */
export function email(app: AppConfig): z.ZodString {
  return name(app.email_regex, textField().normalize("NFC")).describe("email address of the user");
}

/** A cursor or prefix of names; it need not match the pattern of a whole name. */
export function anyName(): z.ZodString {
  return textField().max(MAX_NAME, { error: `must have at most ${MAX_NAME} characters`, abort: true });
}

/** A password to verify: the rules for new passwords do not apply. */
export function password(): z.ZodString {
  return textField().describe("password, exactly as the user typed it");
}

/** The confirmation of a new password, prepared like `newPassword`. */
export function passwordConfirm(): z.ZodString {
  return textField().overwrite(preparePassword).describe("same value as password");
}

/** The login source of an account. */
export function authType() {
  return z
    .enum(["LOCAL", "LDAP", "KERBEROS", "SERVICE"], "must be LOCAL, LDAP, KERBEROS or SERVICE")
    .describe("login source that verifies the user's password; SERVICE: no password, only API keys");
}

/** The SPNEGO token (RFC 4178) of a Kerberos client, in base64. */
export function kerberosTicket() {
  return z.base64("must be base64").min(1, "must not be empty").describe("SPNEGO token in base64");
}

/** A password to store, prepared as RFC 8265 OpaqueString. */
export function newPassword(app: AppConfig): z.ZodString {
  const hashable = textField().overwrite(preparePassword).refine(isHashable, {
    error: "must have at most 72 bytes in UTF-8 and no NUL",
    abort: true,
  });
  return matching(hashable, app.password_regex)
    .refine(
      (value) => app.blockedPasswords?.has(foldPassword(value)) !== true,
      "is on the list of blocked passwords; choose another one",
    )
    .describe("new password, at most 72 bytes in UTF-8");
}

/** Whether password and confirmation are equal; true if one of them is not a string, which is another error. */
export function passwordsMatch(given: { password?: unknown; password_confirm?: unknown }): boolean {
  const { password: secret, password_confirm: confirmation } = given;
  return typeof secret !== "string" || typeof confirmation !== "string" || secret === confirmation;
}

/** The error if `passwordsMatch` is false. */
export const passwordMismatch = {
  path: ["password_confirm"],
  error: "must be the same as password",
  ...alwaysChecked,
};

/** Shorter usernames occur in many passwords by chance. */
const MIN_CONTAINED_LENGTH = 4;

/** Whether the new password does not contain the username; a username under 4 characters must only differ from it. */
export function omitsUsername({
  username: name,
  password: secret,
}: {
  username?: unknown;
  password?: unknown;
}) {
  if (typeof name !== "string" || typeof secret !== "string") return true;
  const [foldedName, foldedSecret] = [foldPassword(name), foldPassword(secret)];
  return foldedName.length < MIN_CONTAINED_LENGTH
    ? foldedSecret !== foldedName
    : !foldedSecret.includes(foldedName);
}

/** The error if `omitsUsername` is false; reported with errors of other fields, unless the password has one already. */
export const containsUsername = {
  path: ["password"],
  error: "must not contain the username",
  when: ({
    issues,
  }: {
    readonly issues: readonly { readonly path?: PropertyKey[] | undefined }[];
  }): boolean => !issues.some(({ path: [field] = [] }) => field === "password"),
};

/** A vhost, with `default_vhost` as default; one of `vhosts` where that is set. */
export function vhost(app: AppConfig) {
  const one = label().refine(
    (value) => app.vhosts?.includes(value) !== false,
    "is not a vhost of this installation",
  );
  return one.default(app.default_vhost).describe("vhost that access tokens are issued for");
}

/** A client address in canonical form; `*` (the default) matches any. */
export function ip() {
  return textField()
    .transform((value, context) => {
      const address = value === ANY_IP ? value : canonicalIp(value);
      if (address !== undefined) return address;
      context.addIssue({ code: "custom", message: "must be *, an IPv4 or an IPv6 address" });
      return z.NEVER;
    })
    .default(ANY_IP)
    .describe("IPv4 or IPv6 address of the client (the user's device or service), or * for any");
}

/** A label of 1 to 100 characters for people. */
export function label(): z.ZodString {
  return textField()
    .min(1, "must not be empty")
    .max(MAX_NAME, { error: `must have at most ${MAX_NAME} characters`, abort: true })
    .refine((value) => !/\p{Cc}/u.test(value), "must have no control characters");
}

/** How a person recognizes a session. */
export function client(): z.ZodString {
  return label().describe('what the user sees in the list of sessions, for example "Firefox on Linux"');
}

/** The id of a session, as in the claim `sid`. */
export function sid(): z.ZodString {
  return textField().describe("id of a session: `sid` in `session_all` and in tokens");
}

/** A result message for people. */
export const msg = z.string().describe("result in one English sentence");

/** The reply of a workflow that returns no data. */
export const successReply = { success: z.literal(true).describe("always true"), msg };

/** A one-time token from an email. */
export function oneTimeToken() {
  return z.string("must be a string").describe("one-time token from the email");
}
