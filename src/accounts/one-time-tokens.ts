import { randomUUID } from "node:crypto";
import type { Trx } from "../db/database.ts";
import { foldName } from "../db/names.ts";
import { createOneTimeToken } from "../db/queries/one-time-tokens.ts";
import type { Purpose } from "../db/tables.ts";
import type { Fingerprints } from "../tokens/fingerprint.ts";
import { digestOfOneTimeToken, oneTimeToken } from "../tokens/one-time.ts";

interface Request {
  readonly purpose: Purpose;
  /** The user, or what was typed where there is none. */
  readonly account: string;
  readonly username: string | null;
  readonly email: string | null;
  /** Minutes. */
  readonly lifetime: number;
}

/** Issues a one-time token, which is sent with the event of this id: whoever sends messages derives it from there. */
export async function issueOneTimeToken(
  trx: Trx,
  fingerprints: Fingerprints,
  { purpose, account, username, email, lifetime }: Request,
): Promise<{ readonly id: string; readonly expires_at: string }> {
  const id = randomUUID();
  const expiresAt = new Date(Date.now() + lifetime * 60_000);
  await createOneTimeToken(trx, {
    hash: digestOfOneTimeToken(oneTimeToken(fingerprints, purpose, id)),
    purpose,
    accountKey: accountKeyOf(fingerprints, account),
    username,
    email,
    expiresAt,
  });
  return { id, expires_at: expiresAt.toISOString() };
}

/** What tells accounts apart without showing their names: a name that nobody has may be a password. */
export function accountKeyOf(fingerprints: Fingerprints, account: string): Buffer {
  return fingerprints.of("one-time token: account", foldName(account));
}
