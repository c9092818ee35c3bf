import type { LdapRefusal } from "./connection.ts";

/** Why a directory refused a login. For the log and as a metric's label; a caller never learns it. */
export interface LdapReason {
  /** One of a closed set. */
  readonly label: string;
  readonly text: string;
}

/** What was found out here, without or beyond the server's answer. */
export const REASONS = {
  unaskable: { label: "unaskable", text: "a name or password that no directory is asked about" },
  unknown: { label: "unknown", text: "no entry below base_dn matches user_filter" },
  ambiguous: { label: "ambiguous", text: "more than one entry below base_dn matches user_filter" },
  otherName: { label: "other-name", text: "the entry found has another name than the one asked for" },
  notInGroup: { label: "not-in-group", text: "not in the login group (ldap_settings.group)" },
  disabled: { label: "disabled", text: "the account is disabled" },
  expired: { label: "expired", text: "the account has expired" },
  mustChange: { label: "must-change", text: "the password must be changed first" },
  passwordExpired: { label: "password-expired", text: "the password has expired" },
  locked: { label: "locked", text: "the account is locked after failed logins" },
  anotherPerson: {
    label: "another-person",
    text: "the account here is another person's, who had this name before: delete it to let this person in",
  },
  notDirectory: {
    label: "not-a-directory-user",
    text: "the name is taken by an account that is not this user's",
  },
} as const satisfies Record<string, LdapReason>;

/** Active Directory's `data` codes of a refused bind: Windows error numbers in hexadecimal. */
const AD_CODES: Readonly<Record<string, string>> = {
  "525": "no such user",
  "52e": "wrong password, or no such user",
  "52f": "an account restriction",
  "530": "not at this time of day",
  "531": "not from this machine",
  "532": "the password has expired",
  "533": "the account is disabled",
  "568": "in too many groups",
  "701": "the account has expired",
  "773": "the password must be changed first",
  "775": "the account is locked out",
};

/** Of these the server says that it cannot tell: no logon server, no trust. */
const AD_UNDECIDED: readonly string[] = ["51f", "6fb", "6fc", "6fd"];

/** Result codes of a bind that speak of the user (RFC 4511 appendix A.2). */
const USER_CODES: Readonly<Record<number, string>> = {
  19: "the account is locked (constraintViolation)",
  32: "no such entry (noSuchObject)",
  48: "the entry has no password (inappropriateAuthentication)",
  49: "wrong password, or no such user (invalidCredentials)",
  50: "the account may not bind (insufficientAccessRights)",
  53: "the account is inactive (unwillingToPerform)",
};

/** Why a user's bind was refused; undefined when the answer speaks of the request or the server instead. */
export function findLdapReason({ code, text, policy }: LdapRefusal): LdapReason | undefined {
  // 389 Directory Server calls an account locked also where an administrator has inactivated it (53).
  if (policy !== undefined && !(policy === "locked" && code === 53)) return REASONS[policy];
  const data = /\bdata ([0-9a-f]{3})\b/i.exec(text)?.[1]?.toLowerCase();
  if (data !== undefined && AD_UNDECIDED.includes(data)) return undefined;
  const known = data === undefined ? undefined : AD_CODES[data];
  if (code === 49 && data !== undefined && known !== undefined) return { label: data, text: known };
  const meaning = USER_CODES[code];
  return meaning === undefined ? undefined : { label: `ldap-${code}`, text: meaning };
}

/**
 * Whether a search after the user's own bind was refused because the password must be changed first: OpenLDAP says so in
 * words (draft-behera-ldap-password-policy 8.1.2.2), 389 Directory Server answers with code 53 and no words.
 */
export function isRestricted(answer: object): answer is LdapRefusal {
  if (!("code" in answer && "text" in answer)) return false;
  const { code, text } = answer;
  return (
    (code === 53 && text === "") ||
    ((code === 50 || code === 53) && /restricted to bind|password/i.test(String(text)))
  );
}

/** What an operator can do about an answer that does not speak of the user. */
export function adviceOnLdapReason({ code, text }: LdapRefusal): string {
  return `result code ${code} (${text}): ${ADVICE[code] ?? "look into the directory's own log"}`;
}

const ADVICE: Readonly<Record<number, string>> = {
  7: "the directory takes no simple binds",
  8: "the directory demands TLS: use ldaps:// or start_tls",
  10: "the directory points to another server: check ldap_settings.address and base_dn",
  13: "the directory demands TLS: use ldaps:// or start_tls",
  32: "there is no such entry: check ldap_settings.base_dn and groups_base_dn",
  34: "the directory does not understand the name: check ldap_settings.bind, bind_dn and base_dn",
  49: "check ldap_settings.bind_dn and bind_password",
  50: "the account may not search there: check its rights",
};
