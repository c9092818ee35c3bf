import type { Database } from "../../db/database.ts";
import { deleteIdToken, markValidated, type SessionRow } from "../../db/queries/id-tokens.ts";
import type { Counters } from "../../observability/counters.ts";
import type { Log } from "../../observability/log.ts";
import type { Directory } from "./directory.ts";
import type { DirectorySync } from "./sync.ts";

/** The session as it is after its user was looked up where that is due; undefined when it was revoked for it. */
export type Revalidate = (session: SessionRow) => Promise<SessionRow | undefined>;

interface RevalidationParts {
  readonly db: Database;
  readonly directory: Directory;
  readonly sync: DirectorySync;
  /** How old the last look may be. */
  readonly minutes: number;
  readonly counters: Counters;
  readonly log: Log;
}

/** Looks users of the directory up again; throws UNAVAILABLE when the directory cannot say, as a login does. */
export function createRevalidation(parts: RevalidationParts): Revalidate {
  const { db, directory, sync, minutes, counters, log } = parts;
  return async (session) => {
    const { username, token_id, validated_at } = session;
    const age = Date.now() - (validated_at?.getTime() ?? 0);
    if (session.auth_type !== "LDAP" || age < minutes * 60_000) return session;
    const verdict = await directory.lookUp(username);
    if (!verdict.ok) {
      const { label, text } = verdict.reason;
      counters.countBy("directory_refusals", label);
      log.info({ username, reason: label, detail: text }, "the directory ended a session");
      await deleteIdToken(db, token_id);
      return undefined;
    }
    const synced = await sync(verdict.account, undefined);
    await markValidated(db, token_id);
    return synced.outcome === "synced" ? { ...session, groups: synced.groups } : session;
  };
}

/** Where there is no directory, or no account that could ask it, every session stays as it is. */
export const keepSession: Revalidate = async (session) => session;
