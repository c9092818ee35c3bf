import type { Database } from "../db/database.ts";
import { createTokenId, deleteIdToken, type NewIdToken, recordIdToken } from "../db/queries/id-tokens.ts";
import { recordEvent } from "../db/queries/events.ts";
import { deleteIdTokenOf, lockUser, setPasswordHash } from "../db/queries/users.ts";
import type { UserRow } from "../db/tables.ts";
import { withRetry } from "../db/transaction.ts";
import { type RevocationReason, sessionRevoked } from "./events.ts";
import { record, type Writer } from "./writer.ts";

/** The account against which a login was verified; a directory user has no password hash. */
export interface VerifiedLogin {
  readonly user: Pick<UserRow, "username" | "auth_type" | "password_hash" | "created_at" | "external_id">;
  /** The password's hash at the configured cost, if the stored one is cheaper. */
  readonly rehashed: Uint8Array | undefined;
}

/**
 * Starts the user's session and returns its id; the commit revokes an earlier session. Returns "changed", and writes
 * nothing, if the account, its password, its activation or its auth type has changed since the login was verified.
 */
export async function startSession(
  writer: Writer,
  { user, rehashed }: VerifiedLogin,
  session: NewIdToken,
): Promise<bigint | "changed"> {
  const { trx } = writer;
  const { username, auth_type } = user;
  const current = await lockUser(trx, username);
  // Detects a new account of this name and another person's account. Accounts without a hash differ in nothing else.
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

/** A failed login. */
export interface FailedLogin {
  readonly reason: string;
  /** The user with this name; null if there is none. */
  readonly username: string | null;
  readonly ip: string;
  readonly vhost: string;
}

/**
 * Records a failed login outside the caller's transaction, with retries: a concurrent write must not turn the rejection
 * into an error.
 */
export async function recordFailedLogin(
  db: Database,
  { username, reason, ip, vhost }: FailedLogin,
): Promise<void> {
  const data = { reason, ip, vhost };
  await withRetry(() => recordEvent(db, { type: "login.failed", username, actor: null, data }));
}

/** Revokes the session of an ID token, if it still exists. */
export async function endSession(
  writer: Writer,
  { token_id, username }: { readonly token_id: bigint; readonly username: string },
  reason: RevocationReason,
  detail?: string,
): Promise<void> {
  if (await deleteIdToken(writer.trx, token_id))
    await record(writer, sessionRevoked(username, reason, detail));
}

/** Revokes the session of a user; false if there is none. `username` in its stored spelling. */
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
