import { endSessions } from "../../accounts/sessions.ts";
import type { Database } from "../../db/database.ts";
import { markValidated, type SessionRow } from "../../db/queries/id-tokens.ts";
import { inTransaction } from "../../db/transaction.ts";
import type { Log } from "../../observability/log.ts";
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

async function revalidate(
  { db, directory, sync, metrics, log }: RevalidationParts,
  session: SessionRow,
): Promise<SessionRow | undefined> {
  const { username, token_id } = session;
  const note = ({ label, text }: LdapReason): void => {
    metrics.count("directory_refusals_total", { reason: label });
    log.info({ username, reason: label, detail: text }, "the directory ended a session");
  };
  const end = async (reason: LdapReason): Promise<undefined> => {
    note(reason);
    await inTransaction(db, (trx) =>
      endSessions({ trx, actor: null }, username, [token_id], "directory", reason.label),
    );
  };
  const verdict = await directory.lookUp(username);
  if (!verdict.ok) return end(verdict.reason);
  // This is not a login, so do not create an account.
  const synced = await sync.session(verdict.account, username);
  if (synced.outcome === "another person") {
    note(REASONS.anotherPerson); // the sync has ended the session
    return undefined;
  }
  if (synced.outcome !== "synced") return end(REASONS.notDirectory);
  if (!(await markValidated(db, token_id))) return undefined;
  return { ...session, groups: synced.groups };
}

/** For installations without a directory or service account: keeps every session. */
export const keepSession: Revalidate = async (session) => session;
