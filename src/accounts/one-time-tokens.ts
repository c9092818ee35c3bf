import { randomUUID } from "node:crypto";
import { foldName } from "../db/names.ts";
import { recordAuditOnly } from "../db/queries/events.ts";
import { createOneTimeToken } from "../db/queries/one-time-tokens.ts";
import type { EventType, TokenPurpose } from "../db/tables.ts";
import type { Fingerprints } from "../tokens/fingerprint.ts";
import { digestOfOneTimeToken, deriveOneTimeToken } from "../tokens/one-time.ts";
import { record, type Writer } from "./writer.ts";

/** A message with a one-time token. */
interface TokenMessage {
  readonly purpose: TokenPurpose;
  readonly type: EventType;
  /** The account that the token counts for. */
  readonly account: string;
  /** Who gets the message; undefined for nobody, with the same statements, so that the time tells nothing. */
  readonly to: { readonly username: string; readonly email: string | null } | undefined;
  /** The user that the event names. */
  readonly about: string | null;
  /** Minutes. */
  readonly lifetime: number;
}

/**
 * Issues a one-time token and records the event that sends it: whoever sends messages derives the token from the event's
 * id. Without an addressee the token is good for nothing, and administrators alone see the event.
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

/** What tells accounts apart without showing their names: a name that nobody has may be a password. */
export function accountKeyOf(fingerprints: Fingerprints, account: string): Buffer {
  return fingerprints.of("one-time token: account", foldName(account));
}
