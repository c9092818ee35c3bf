/** Why Kerberos refused a login, for the log and as a metric label. Not sent to callers. */
export interface KerberosReason {
  /** One of a fixed set. */
  readonly label: string;
  readonly text: string;
}

/** Error messages of MIT's kinit (with LC_ALL=C) about the user, and their labels. */
const USER_ERRORS: readonly (readonly [pattern: RegExp, label: string])[] = [
  [/^Password expired\./, "password-expired"],
  [/Password incorrect|Preauthentication failed/, "wrong-password"],
  [/Client '.*' not found in Kerberos database/, "unknown"],
  [/Client's credentials have been revoked/, "revoked"],
  [/Client's entry in database has expired/, "expired"],
  [/Generic preauthentication failure/, "other-proof-needed"],
];

/** Why the KDC refused a user; undefined if kinit's error is not about the user. */
export function classify(text: string): KerberosReason | undefined {
  const label = USER_ERRORS.find(([pattern]) => pattern.test(text))?.[1];
  return label === undefined ? undefined : { label, text };
}

/** Why a client's ticket was refused; undefined if the replay cache cannot be used. */
export function classifyTicket(text: string): KerberosReason | undefined {
  if (text.includes("rcache")) return undefined;
  if (text.includes("Request is a replay")) return { label: "replay", text };
  if (/Clock skew|not yet valid|expired/.test(text)) return { label: "not-in-time", text };
  return { label: "bad-ticket", text };
}
