import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Trx } from "../../db/database.ts";
import { foldName } from "../../db/names.ts";
import { countEvents } from "../../db/queries/events.ts";
import { createOneTimeToken } from "../../db/queries/one-time-tokens.ts";
import type { Purpose } from "../../db/tables.ts";
import type { Context } from "../../rpc/context.ts";
import { digestOfOneTimeToken, oneTimeToken } from "../../tokens/one-time.ts";

/** A token that somebody was sent. */
export function sentToken() {
  return z.string("must be a string").describe("from the message that was sent");
}

interface Request {
  readonly purpose: Purpose;
  /** The user, or what was typed where there is none. */
  readonly account: string;
  readonly username: string | null;
  readonly email: string | null;
  /** Minutes. */
  readonly lifetime: number;
}

/** Makes a token, which goes out with the event of this id: whoever sends messages has it from there. */
export async function issueOneTimeToken(
  { fingerprints }: Pick<Context, "fingerprints">,
  trx: Trx,
  { purpose, account, username, email, lifetime }: Request,
): Promise<{ readonly id: string; readonly expiresAt: Date }> {
  const id = randomUUID();
  const expiresAt = new Date(Date.now() + lifetime * 60_000);
  await createOneTimeToken(trx, {
    hash: digestOfOneTimeToken(oneTimeToken(fingerprints, purpose, id)),
    purpose,
    accountKey: accountKeyOf({ fingerprints }, account),
    username,
    email,
    expiresAt,
  });
  return { id, expiresAt };
}

/** What tells accounts apart without telling their names: a name that nobody has may be a password. */
export function accountKeyOf({ fingerprints }: Pick<Context, "fingerprints">, account: string): Buffer {
  return fingerprints.of("one-time token: account", foldName(account));
}

/** Messages to the addresses that one account names, in so many milliseconds: it may name other people's. */
const MAX_VERIFICATIONS = 5;
const VERIFICATIONS_WITHIN = 60 * 60_000;

/** Whether an account has had as many messages about its address as it may have within an hour. */
export async function isTooManyVerifications(trx: Trx, username: string): Promise<boolean> {
  const since = new Date(Date.now() - VERIFICATIONS_WITHIN);
  return (await countEvents(trx, "user.verification_requested", username, since)) >= MAX_VERIFICATIONS;
}

/**
 * Asks for a proof that somebody reads what is sent to a user's address, five times an hour at most. For one user at a
 * time: its row is locked.
 */
export async function requestVerification(
  { app, emit, fingerprints }: Pick<Context, "app" | "emit" | "fingerprints">,
  trx: Trx,
  { username, email }: { readonly username: string; readonly email: string },
): Promise<void> {
  if (await isTooManyVerifications(trx, username)) return;
  const { id, expiresAt } = await issueOneTimeToken({ fingerprints }, trx, {
    purpose: "email_verification",
    account: username,
    username,
    email,
    lifetime: app.email_verification_valid_time,
  });
  const data = { email, expires_at: expiresAt.toISOString() };
  await emit(trx, { id, type: "user.verification_requested", username, data });
}
