/** Why Kerberos refused a login. For the log and as a metric's label; a caller never learns it. */
export interface KerberosReason {
  /** One of a closed set. */
  readonly label: string;
  readonly text: string;
}

/** What MIT's kinit says of a user (with LC_ALL=C), and the label for it; anything else is no word on the user. */
const SAID_OF_USERS: readonly (readonly [pattern: RegExp, label: string])[] = [
  [/^Password expired\./, "password-expired"],
  [/Password incorrect|Preauthentication failed/, "wrong-password"],
  [/Client '.*' not found in Kerberos database/, "unknown"],
  [/Client's credentials have been revoked/, "revoked"],
  [/Client's entry in database has expired/, "expired"],
  [/Generic preauthentication failure/, "other-proof-needed"],
];

/** Why the KDC gave a user no ticket; undefined when what kinit says is not about the user. */
export function classify(text: string): KerberosReason | undefined {
  const label = SAID_OF_USERS.find(([pattern]) => pattern.test(text))?.[1];
  return label === undefined ? undefined : { label, text };
}

/** Why a client's ticket was refused; undefined when it is the replay cache that cannot be used. */
export function classifyTicket(text: string): KerberosReason | undefined {
  if (text.includes("rcache")) return undefined;
  if (text.includes("Request is a replay")) return { label: "replay", text };
  if (/Clock skew|not yet valid|expired/.test(text)) return { label: "not-in-time", text };
  return { label: "bad-ticket", text };
}
