import { randomUUID } from "node:crypto";
import { foldName } from "../db/names.ts";
import { recordAuditOnly } from "../db/queries/events.ts";
import { createOneTimeToken } from "../db/queries/one-time-tokens.ts";
import type { EventType, TokenPurpose } from "../db/tables.ts";
import type { Fingerprints } from "../tokens/fingerprint.ts";
import { digestOfOneTimeToken, deriveOneTimeToken } from "../tokens/one-time.ts";
import { record, type Writer } from "./writer.ts";

/** An email with a one-time token. */
interface TokenMessage {
  readonly purpose: TokenPurpose;
  readonly type: EventType;
  /** The account whose limit the token counts towards. */
  readonly account: string;
  /** The recipient. If undefined, the same statements run without one, so the response time reveals nothing. */
  readonly to: { readonly username: string; readonly email: string | null } | undefined;
  /** The user named in the event. */
  readonly about: string | null;
  /** Minutes. */
  readonly lifetime: number;
}

/**
 * Issues a one-time token and records the event that sends it: the mailer derives the token from the event's id.
 * Without a recipient the token is useless, and the event appears only in the audit log.
 */
export async function sendOneTimeToken(
  writer: Writer,
  fingerprints: Fingerprints,
  { purpose, type, account, to, about, lifetime }: TokenMessage,
): Promise<void> {
  const { trx } = writer;
  const id = randomUUID();
  const expiresAt = new Date(Date.now() + lifetime * 60_000);
  await createOneTimeToken(trx, {
    hash: digestOfOneTimeToken(deriveOneTimeToken(fingerprints, purpose, id)),
    purpose,
    accountKey: accountKeyOf(fingerprints, account),
    username: to?.username ?? null,
    email: to?.email ?? null,
    expiresAt,
  });
  const event = { id, type, username: about };
  const expires_at = expiresAt.toISOString();
  if (to === undefined)
    await recordAuditOnly(trx, { ...event, actor: null, data: { expires_at, refused: true } });
  else await record(writer, { ...event, data: { expires_at, email: to.email } });
}

/** HMAC of an account name: an unknown name may be a mistyped password. */
export function accountKeyOf(fingerprints: Fingerprints, account: string): Buffer {
  return fingerprints.of("one-time token: account", foldName(account));
}
