import type { LdapRefusal } from "./connection.ts";

/** Why a directory refused a login, for the log and as a metric label. Not sent to callers. */
export interface LdapReason {
  /** One of a fixed set. */
  readonly label: string;
  readonly text: string;
}

/** Reasons that authmq determines itself. */
export const REASONS = {
  unaskable: { label: "unaskable", text: "the username or password is empty or has forbidden characters" },
  unknown: { label: "unknown", text: "no entry below base_dn matches user_filter" },
  ambiguous: { label: "ambiguous", text: "more than one entry below base_dn matches user_filter" },
  otherName: { label: "other-name", text: "the entry that was found has another login name" },
  notInGroup: { label: "not-in-group", text: "the user is not in the login group (ldap_settings.group)" },
  disabled: { label: "disabled", text: "the account is disabled" },
  expired: { label: "expired", text: "the account has expired" },
  mustChange: { label: "must-change", text: "the password must be changed first" },
  passwordExpired: { label: "password-expired", text: "the password has expired" },
  locked: { label: "locked", text: "the account is locked after failed logins" },
  anotherPerson: {
    label: "another-person",
    text: "the account belongs to another person, who had this name before: delete it so that this person can log in",
  },
  notDirectory: {
    label: "not-a-directory-user",
    text: "another account uses this name",
  },
} as const satisfies Record<string, LdapReason>;

/** The `data` codes of Active Directory for a refused bind: Windows error numbers in hexadecimal. */
const AD_CODES: Readonly<Record<string, string>> = {
  "525": "no such user",
  "52e": "wrong password, or no such user",
  "52f": "account restriction",
  "530": "logins are not allowed at this time",
  "531": "logins are not allowed from this machine",
  "532": "the password has expired",
  "533": "the account is disabled",
  "568": "the user is in too many groups",
  "701": "the account has expired",
  "773": "the password must be changed first",
  "775": "the account is locked out",
};

/** Codes for problems of the server: no logon server, no trust. */
const AD_UNDECIDED: readonly string[] = ["51f", "6fb", "6fc", "6fd"];

/** Result codes of a bind that are about the user (RFC 4511 appendix A.2). */
const USER_CODES: Readonly<Record<number, string>> = {
  19: "the account is locked (constraintViolation)",
  32: "no such entry (noSuchObject)",
  48: "the entry has no password (inappropriateAuthentication)",
  49: "wrong password, or no such user (invalidCredentials)",
  50: "the account may not bind (insufficientAccessRights)",
  53: "the account is inactive (unwillingToPerform)",
};

/** Why a user's bind was refused; undefined if the answer is about the request or the server. */
export function findLdapReason({ code, text, policy }: LdapRefusal): LdapReason | undefined {
  // 389 Directory Server also reports accounts as locked that an administrator has inactivated (53).
  if (policy !== undefined && !(policy === "locked" && code === 53)) return REASONS[policy];
  const data = /\bdata ([0-9a-f]{3})\b/i.exec(text)?.[1]?.toLowerCase();
  if (data !== undefined && AD_UNDECIDED.includes(data)) return undefined;
  const known = data === undefined ? undefined : AD_CODES[data];
  if (code === 49 && data !== undefined && known !== undefined) return { label: data, text: known };
  const meaning = USER_CODES[code];
  return meaning === undefined ? undefined : { label: `ldap-${code}`, text: meaning };
}

/**
 * Whether a search after the user's bind was refused because the password must be changed first. OpenLDAP sends a text
 * (draft-behera-ldap-password-policy 8.1.2.2), 389 Directory Server code 53 without text.
 */
export function isRestricted(answer: object): answer is LdapRefusal {
  if (!("code" in answer && "text" in answer)) return false;
  const { code, text } = answer;
  return (
    (code === 53 && text === "") ||
    ((code === 50 || code === 53) && /restricted to bind|password/i.test(String(text)))
  );
}

/** Advice for operators about a refusal that is not about the user. */
export function adviceOnLdapReason({ code, text }: LdapRefusal): string {
  return `result code ${code} (${text}): ${ADVICE[code] ?? "read the directory's log"}`;
}

const ADVICE: Readonly<Record<number, string>> = {
  7: "the directory does not allow simple binds",
  8: "the directory demands TLS: use ldaps:// or start_tls",
  10: "the directory refers to another server: check ldap_settings.address and base_dn",
  13: "the directory demands TLS: use ldaps:// or start_tls",
  32: "there is no such entry: check ldap_settings.base_dn and groups_base_dn",
  34: "the directory rejects the format of the name: check ldap_settings.bind, bind_dn and base_dn",
  49: "check ldap_settings.bind_dn and bind_password",
  50: "the account may not search there: check its permissions",
};
