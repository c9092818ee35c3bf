import { endSession } from "../../accounts/sessions.ts";
import type { Database } from "../../db/database.ts";
import { markValidated, type SessionRow } from "../../db/queries/id-tokens.ts";
import { inTransaction } from "../../db/transaction.ts";
import type { Log } from "../../observability/log.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Directory } from "./directory.ts";
import { type LdapReason, REASONS } from "./reason.ts";
import type { DirectorySync } from "./sync.ts";

/** The session as it is after its user was looked up where that is due; undefined when it was revoked for it. */
export type Revalidate = (session: SessionRow) => Promise<SessionRow | undefined>;

interface RevalidationParts {
  readonly db: Database;
  readonly directory: Directory;
  readonly sync: DirectorySync;
  /** How old the last look may be. */
  readonly minutes: number;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Looks users of the directory up again; throws UNAVAILABLE when the directory cannot say, as a login does. */
export function createRevalidation(parts: RevalidationParts): Revalidate {
  const underWay = new Map<bigint, Promise<SessionRow | undefined>>();
  return async (session) => {
    const { token_id, validated_at } = session;
    const age = Date.now() - (validated_at?.getTime() ?? 0);
    if (session.auth_type !== "LDAP" || age < parts.minutes * 60_000) return session;
    // Who exchanges a token many times at once is looked up once.
    let look = underWay.get(token_id);
    if (look === undefined) {
      look = lookAgain(parts, session).finally(() => underWay.delete(token_id));
      underWay.set(token_id, look);
    }
    return look;
  };
}

async function lookAgain(
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
    await inTransaction(db, (trx) => endSession({ trx, actor: null }, session, "directory", reason.label));
  };
  const verdict = await directory.lookUp(username);
  if (!verdict.ok) return end(verdict.reason);
  // Nobody logs in here, so no account is made of what the directory says.
  const synced = await sync.session(verdict.account, username);
  if (synced.outcome === "another person") {
    note(REASONS.anotherPerson); // no session of it is left
    return undefined;
  }
  if (synced.outcome !== "synced") return end(REASONS.notDirectory);
  if (!(await markValidated(db, token_id))) return undefined;
  return { ...session, groups: synced.groups };
}

/** Where there is no directory, or no account that could ask it, every session stays as it is. */
export const keepSession: Revalidate = async (session) => session;
