import { endSessions } from "../../accounts/sessions.ts";
import type { Database } from "../../db/database.ts";
import { markValidated, type SessionRow } from "../../db/queries/id-tokens.ts";
import { inTransaction } from "../../db/transaction.ts";
import type { Log } from "../../observability/log.ts";
import type { MessageAt } from "../../observability/log-messages.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Directory } from "./directory.ts";
import { type LdapReason, REASONS } from "./reason.ts";
import type { DirectorySync } from "./sync.ts";

/** Checks the user of a session in the directory again if it is due; undefined if that revoked the session. */
export type Revalidate = (session: SessionRow) => Promise<SessionRow | undefined>;

interface RevalidationParts {
  readonly db: Database;
  readonly directory: Directory;
  readonly sync: DirectorySync;
  /** The maximum age of the last check. */
  readonly minutes: number;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Creates the revalidation of sessions; throws UNAVAILABLE if the directory cannot decide, like a login. */
export function createRevalidation(parts: RevalidationParts): Revalidate {
  const running = new Map<bigint, Promise<SessionRow | undefined>>();
  return async (session) => {
    const { token_id, validated_at } = session;
    const age = Date.now() - (validated_at?.getTime() ?? 0);
    if (session.auth_type !== "LDAP" || age < parts.minutes * 60_000) return session;
    // Concurrent requests of a session share one check.
    let check = running.get(token_id);
    if (check === undefined) {
      check = revalidate(parts, session).finally(() => running.delete(token_id));
      running.set(token_id, check);
    }
    return check;
  };
}

async function revalidate(parts: RevalidationParts, session: SessionRow): Promise<SessionRow | undefined> {
  const { db } = parts;
  const { username, token_id } = session;
  const verdict = await askDirectory(parts, username);
  if ("refused" in verdict) {
    note(parts, username, verdict.refused, "the directory ended a session");
    // After another person's entry, the sync has ended the session.
    if (verdict.refused !== REASONS.anotherPerson)
      await inTransaction(db, (trx) =>
        endSessions({ trx, actor: null }, username, [token_id], "directory", verdict.refused.label),
      );
    return undefined;
  }
  if (!(await markValidated(db, token_id))) return undefined;
  return { ...session, groups: verdict.groups };
}

/** Asks the directory for a user who logs in without a password; the groups, or undefined if it refuses the user. */
export type ConfirmUser = (username: string) => Promise<boolean>;

/** Creates the check of users without a password; throws UNAVAILABLE if the directory cannot decide, like a login. */
export function createConfirmation(parts: Omit<RevalidationParts, "minutes">): ConfirmUser {
  return async (username) => {
    const verdict = await askDirectory(parts, username);
    if ("groups" in verdict) return true;
    note(parts, username, verdict.refused, "the directory refused a login with a passkey");
    return false;
  };
}

/** Without a directory or service account, nobody can confirm the user. */
export const confirmNobody: ConfirmUser = async () => false;

/** The user's entry with the service account: the groups after the sync, or why the directory refuses the user. */
async function askDirectory(
  { directory, sync }: Pick<RevalidationParts, "directory" | "sync">,
  username: string,
): Promise<{ readonly groups: readonly string[] } | { readonly refused: LdapReason }> {
  const verdict = await directory.lookUp(username);
  if (!verdict.ok) return { refused: verdict.reason };
  // The password is not known, so do not create an account.
  const synced = await sync.session(verdict.account, username);
  if (synced.outcome === "synced") return { groups: synced.groups };
  return { refused: synced.outcome === "another person" ? REASONS.anotherPerson : REASONS.notDirectory };
}

function note(
  { metrics, log }: Pick<RevalidationParts, "metrics" | "log">,
  username: string,
  { label, text }: LdapReason,
  msg: MessageAt<"info">,
): void {
  metrics.count("directory_refusals_total", { reason: label });
  log.info({ username, reason: label, detail: text }, msg);
}

/** For installations without a directory or service account: keeps every session. */
export const keepSession: Revalidate = async (session) => session;
