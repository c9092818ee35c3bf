import type { Database } from "../db/database.ts";
import { createTokenId, deleteIdToken, type NewIdToken, recordIdToken } from "../db/queries/id-tokens.ts";
import { recordEvent } from "../db/queries/events.ts";
import { deleteIdTokenOf, lockUser, setPasswordHash } from "../db/queries/users.ts";
import type { UserRow } from "../db/tables.ts";
import { withRetry } from "../db/transaction.ts";
import { type RevocationReason, sessionRevoked } from "./events.ts";
import { record, type Writer } from "./writer.ts";

/** The account as it was when the login was verified; a user of a directory has no hash. */
export interface VerifiedLogin {
  readonly user: Pick<UserRow, "username" | "auth_type" | "password_hash" | "created_at" | "external_id">;
  /** The password's hash at today's cost, where the stored one is cheaper. */
  readonly rehashed: Uint8Array | undefined;
}

/**
 * Starts the one session of a user and returns its id; an earlier one has ended when this is committed. "changed" when
 * the account, its password, activation or source is no longer what the login was verified against: then nothing is
 * written.
 */
export async function startSession(
  writer: Writer,
  { user, rehashed }: VerifiedLogin,
  session: NewIdToken,
): Promise<bigint | "changed"> {
  const { trx } = writer;
  const { username, auth_type } = user;
  const current = await lockUser(trx, username);
  // A new account of this name, or another person's. Accounts without a hash differ in nothing else.
  const isSame =
    current?.activated === 1 &&
    current.auth_type === auth_type &&
    equal(current.password_hash, user.password_hash) &&
    current.created_at === user.created_at &&
    current.external_id === user.external_id;
  if (!isSame) return "changed";
  if (rehashed !== undefined) await setPasswordHash(trx, username, rehashed);
  const id = createTokenId();
  await recordIdToken(trx, username, id, session);
  const { ip, vhost } = session;
  const data = { ip, vhost, auth_type, valid_until: session.valid_until.toISOString() };
  await record({ trx, actor: username }, { type: "session.started", username, data });
  return id;
}

/** A login that failed. */
export interface FailedLogin {
  readonly reason: string;
  /** The user that the name is of; null where there is none. */
  readonly username: string | null;
  readonly ip: string;
  readonly vhost: string;
}

/** Records a failed login by itself: whoever else writes at this moment must not make a refusal an error. */
export async function recordFailedLogin(
  db: Database,
  { username, reason, ip, vhost }: FailedLogin,
): Promise<void> {
  const data = { reason, ip, vhost };
  await withRetry(() => recordEvent(db, { type: "login.failed", username, actor: null, data }));
}

/** Ends the session of an ID token, if it has not ended. */
export async function endSession(
  writer: Writer,
  { token_id, username }: { readonly token_id: bigint; readonly username: string },
  reason: RevocationReason,
  detail?: string,
): Promise<void> {
  if (await deleteIdToken(writer.trx, token_id))
    await record(writer, sessionRevoked(username, reason, detail));
}

/** Ends the session of a user; false where there is none. `username` in its stored spelling. */
export async function endSessionOf(
  writer: Writer,
  username: string,
  reason: RevocationReason,
  detail?: string,
): Promise<boolean> {
  if (!(await deleteIdTokenOf(writer.trx, username))) return false;
  await record(writer, sessionRevoked(username, reason, detail));
  return true;
}

function equal(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.from(a).equals(Buffer.from(b));
}
