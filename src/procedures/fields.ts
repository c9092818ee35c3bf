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

/** For a refinement of a whole request: its fault is told together with those of the fields, and not only after them. */
export const together = { when: (): boolean => true };

/** Text as JSON may carry it, but no half characters: written as UTF-8, two of them would become the same. */
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

/** As a `regex` where it is one: the published schemas show it then. */
function matching(schema: z.ZodString, source: string): z.ZodString {
  const pattern = fullMatch(source);
  const error = `must match ${source}`;
  return pattern instanceof RegExp
    ? schema.regex(pattern, error)
    : schema.refine((value) => pattern.test(value), error);
}

/** The name of a user, in any case; in NFC, so that it does not matter how a keyboard composes a character. */
export function username(app: AppConfig): z.ZodString {
  return name(app.username_regex, textField().normalize("NFC")).describe("the name of a user, in any case");
}

/** The name of a group, compared exactly. */
export function groupname(app: AppConfig): z.ZodString {
  return name(app.group_regex)
    .refine(isDistinct, "must not end with a space")
    .describe("the name of a group, compared exactly");
}

/** An email address, in NFC like a username. */
export function email(app: AppConfig): z.ZodString {
  return name(app.email_regex, textField().normalize("NFC")).describe("the user's email address");
}

/** A name that need not be one, or the beginning of one: patterns do not apply. */
export function anyName(): z.ZodString {
  return textField().max(MAX_NAME, { error: `must have at most ${MAX_NAME} characters`, abort: true });
}

/** A password that is to be checked, as it was typed: rules for new ones do not apply. */
export function password(): z.ZodString {
  return textField().describe("the password, as it was typed");
}

/** A new password once more, in the form of `newPassword`. */
export function passwordConfirm(): z.ZodString {
  return textField().overwrite(preparePassword).describe("the same as password");
}

/** Where a user's password is checked. */
export function authType() {
  return z
    .enum(["LOCAL", "LDAP", "KERBEROS"], "must be LOCAL, LDAP or KERBEROS")
    .describe("where the user's password is checked");
}

/** What a Kerberos client sends: a SPNEGO token (RFC 4178) in base64. */
export function kerberosTicket() {
  return z.base64("must be base64").min(1, "must not be empty").describe("a SPNEGO token in base64");
}

/** A password that is to be set, in its prepared form. */
export function newPassword(app: AppConfig): z.ZodString {
  const hashable = textField().overwrite(preparePassword).refine(isHashable, {
    error: "must have at most 72 bytes in UTF-8 and no NUL",
    abort: true,
  });
  return matching(hashable, app.password_regex)
    .refine(
      (value) => app.blockedPasswords?.has(foldPassword(value)) !== true,
      "is one of the passwords that are tried first",
    )
    .describe("the new password, at most 72 bytes in UTF-8");
}

/** For a request with a password twice: whether both are the same, where both are text. */
export function isConfirmed(given: { password?: unknown; password_confirm?: unknown }): boolean {
  const { password: secret, password_confirm: again } = given;
  return typeof secret !== "string" || typeof again !== "string" || secret === again;
}

/** The fault of a confirmation that differs. */
export const confirmed = {
  path: ["password_confirm"],
  error: "must be the same as password",
  ...together,
};

/** Shorter names are in many passwords by chance. */
const MIN_FOUND_NAME = 4;

/** For a request with a new password: whether it does not give its username away. */
export function hidesUsername({
  username: name,
  password: secret,
}: {
  username?: unknown;
  password?: unknown;
}) {
  if (typeof name !== "string" || typeof secret !== "string") return true;
  const [folded, within] = [foldPassword(name), foldPassword(secret)];
  return folded.length < MIN_FOUND_NAME ? within !== folded : !within.includes(folded);
}

/** The fault of a password that does, told together with those of other fields. */
export const revealsUsername = {
  path: ["password"],
  error: "must not contain the username",
  when: ({
    issues,
  }: {
    readonly issues: readonly { readonly path?: PropertyKey[] | undefined }[];
  }): boolean => !issues.some(({ path: [field] = [] }) => field === "password"),
};

/** A vhost of the broker. */
export function vhost(app: AppConfig) {
  const one = textField()
    .min(1, "must not be empty")
    .max(MAX_NAME, { error: `must have at most ${MAX_NAME} characters`, abort: true })
    .refine((value) => !/\p{Cc}/u.test(value), "must have no control characters")
    .refine((value) => app.vhosts?.includes(value) !== false, "is not a vhost of this installation");
  return one.default(app.default_vhost).describe("the broker's vhost that access tokens are for");
}

/** The address that a session is bound to or used from, in canonical form; `*` for any, also where none is given. */
export function ip() {
  return textField()
    .transform((value, context) => {
      const address = value === ANY_IP ? value : canonicalIp(value);
      if (address !== undefined) return address;
      context.addIssue({ code: "custom", message: "must be *, an IPv4 or an IPv6 address" });
      return z.NEVER;
    })
    .default(ANY_IP)
    .describe("* (any), or the IPv4 or IPv6 address of the person or service that logs in");
}

/** What was done, for a person to read. */
export const msg = z.string().describe("what was done, in one English sentence");

/** The reply of a workflow that has nothing to give. */
export const done = { success: z.literal(true).describe("true in every reply of 200"), msg };

/** A token that somebody was sent. */
export function sentToken() {
  return z.string("must be a string").describe("from the message that was sent");
}
