import type { Database } from "../db/database.ts";
import { recordEvent } from "../db/queries/events.ts";
import {
  deleteExpiredIdTokens,
  deleteIdTokens,
  extendIdToken,
  listSessionsOf,
  type NewIdToken,
  recordIdToken,
} from "../db/queries/id-tokens.ts";
import type { UnwrittenUse } from "../db/queries/last-use.ts";
import { type LockedUser, lockUser, recordLogin } from "../db/queries/users.ts";
import { createRowId } from "../db/row-id.ts";
import type { UserRow } from "../db/tables.ts";
import { withRetry } from "../db/transaction.ts";
import { type RevocationReason, sessionRevoked, sessionStarted } from "./events.ts";
import { record, type Writer } from "./writer.ts";

/** The account against which a login was verified; a directory user has no password hash. */
export interface VerifiedLogin {
  readonly user: Pick<UserRow, "username" | "auth_type" | "password_hash" | "created_at" | "external_id">;
  /** The password's hash at the configured cost, if the stored one is cheaper. */
  readonly rehashed: Uint8Array | undefined;
}

/** Rules for the start of a session. */
interface SessionRules {
  /** Sessions that the user may have at once. */
  readonly limit: number;
  /** Uses of sessions that are not in the database yet. */
  readonly unwritten?: UnwrittenUse;
  /** Runs under the user's lock, before anything is written; its error rolls the transaction back. */
  readonly beforeStart?: ((account: LockedUser) => Promise<void>) | undefined;
}

/**
 * Whether a locked account is still the one that a login was verified against: detects a new account of this name and
 * another person's account. Accounts without a hash differ in nothing else.
 */
export function isUnchanged(
  current: LockedUser | undefined,
  user: VerifiedLogin["user"],
): current is LockedUser {
  return (
    current?.activated === 1 &&
    current.auth_type === user.auth_type &&
    equal(current.password_hash, user.password_hash) &&
    current.created_at === user.created_at &&
    current.external_id === user.external_id
  );
}

/**
 * Starts a session and returns its id. Ends the least recently used sessions of the user beyond `limit`, and deletes
 * the expired ones. Returns "changed", and writes nothing, if the account, its password, its activation or its auth
 * type has changed since the login was verified.
 */
export async function startSession(
  writer: Writer,
  { user, rehashed }: VerifiedLogin,
  session: NewIdToken,
  { limit, unwritten, beforeStart }: SessionRules,
): Promise<bigint | "changed"> {
  const { trx } = writer;
  const { username, auth_type } = user;
  const current = await lockUser(trx, username);
  if (!isUnchanged(current, user)) return "changed";
  await beforeStart?.(current);
  // In a Galera cluster, only this write makes logins of a user through different nodes conflict.
  await recordLogin(trx, username, { at: session.created_at, password_hash: rehashed });
  const { live, expired } = await listSessionsOf(trx, username, unwritten);
  await deleteExpiredIdTokens(trx, expired);
  const excess = live.slice(limit - 1).map(({ token_id }) => token_id);
  const id = createRowId();
  await recordIdToken(trx, username, id, session);
  const author = { trx, actor: username };
  await endSessions(author, username, excess, "limit");
  await record(author, sessionStarted(username, auth_type, id, session));
  return id;
}

/** Extends a session of an activated account for a new ID token; says why if that is not possible. */
export async function renewSession(
  { trx }: Writer,
  username: string,
  { tokenId, ...token }: { readonly tokenId: bigint; readonly validUntil: Date; readonly method: string },
): Promise<"renewed" | "ended" | "deactivated"> {
  // The lock of the user comes first, as everywhere.
  const user = await lockUser(trx, username);
  if (user?.activated === 0) return "deactivated";
  return user !== undefined && (await extendIdToken(trx, tokenId, token)) ? "renewed" : "ended";
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

/** Revokes some sessions of a user, if they still exist; returns how many did. `username` in its stored spelling. */
export async function endSessions(
  writer: Writer,
  username: string,
  tokenIds: readonly bigint[],
  reason: RevocationReason,
  detail?: string,
): Promise<number> {
  const ended = await deleteIdTokens(writer.trx, username, tokenIds);
  if (ended.length > 0)
    await record(writer, ...ended.map((id) => sessionRevoked(username, id, reason, detail)));
  return ended.length;
}

/**
 * Revokes all sessions of a user, except the one with the id `except`; returns how many. The user's row must be locked,
 * or a login at the same time keeps its session. `username` in its stored spelling.
 */
export async function endSessionsOf(
  writer: Writer,
  username: string,
  reason: RevocationReason,
  { detail, except }: { readonly detail?: string; readonly except?: bigint | undefined } = {},
): Promise<number> {
  const { live, expired } = await listSessionsOf(writer.trx, username);
  await deleteExpiredIdTokens(writer.trx, expired);
  const ended = live.map(({ token_id }) => token_id).filter((id) => id !== except);
  return endSessions(writer, username, ended, reason, detail);
}

function equal(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.from(a).equals(Buffer.from(b));
}
