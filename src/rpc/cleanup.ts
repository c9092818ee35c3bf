import timers from "node:timers/promises";
import { ENROLMENT_LIFETIME } from "../accounts/factors.ts";
import type { Config } from "../config/load.ts";
import type { Database } from "../db/database.ts";
import { clearAttempts } from "../db/queries/poison-messages.ts";
import { clearReplies } from "../db/queries/inbox.ts";
import { clearEvents, deleteUnknownUserEvents, withholdEvents } from "../db/queries/events.ts";
import { clearExpired, clearExpiredSessions, clearPendingTotps } from "../db/queries/expired.ts";
import { takeLease } from "../db/queries/leases.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";

/** Pause between cleanups, in milliseconds. One replica cleans up per interval. */
const INTERVAL = 60_000;

const DAY = 24 * 60 * 60_000;

type CleanupConfig = Pick<Config, "events">;

/** Rows that one statement deletes, so that it holds locks only briefly. */
const BATCH = 1000;

/** Deletes expired rows and returns how many; does nothing if another replica has just done so. */
export async function deleteExpired(
  db: Database,
  { events }: CleanupConfig,
  batch = BATCH,
  signal?: AbortSignal,
): Promise<number> {
  if (!(await takeLease(db, "rpc_inbox", INTERVAL))) return 0;
  let total = 0;
  const oldest = new Date(Date.now() - events.retention_days * DAY);
  const clearOldEvents = (from: Database, limit: number): Promise<number> => clearEvents(from, oldest, limit);
  const clearOldThrottles = (from: Database, limit: number): Promise<number> =>
    clearExpired(from, "login_throttle", limit);
  const clearOldTokens = (from: Database, limit: number): Promise<number> =>
    clearExpired(from, "one_time_token", limit);
  const clearOldChallenges = (from: Database, limit: number): Promise<number> =>
    clearExpired(from, "challenge", limit);
  const clearEnrolments = (from: Database, limit: number): Promise<number> =>
    clearPendingTotps(from, new Date(Date.now() - ENROLMENT_LIFETIME), limit);
  const yesterday = new Date(Date.now() - DAY);
  const clearUnknownUserEvents = (from: Database, limit: number): Promise<number> =>
    deleteUnknownUserEvents(from, yesterday, limit);
  // If events are not published, mark them as published: an unpublished event keeps all later ones.
  const withhold = events.publish ? [] : [withholdEvents];
  for (const clear of [
    ...withhold,
    clearReplies,
    clearOldThrottles,
    clearOldTokens,
    clearOldChallenges,
    clearEnrolments,
    clearExpiredSessions,
    clearOldEvents,
    clearUnknownUserEvents,
  ]) {
    let cleared = batch;
    while (cleared >= batch && signal?.aborted !== true) {
      cleared = await clear(db, batch);
      total += cleared;
    }
  }
  await clearAttempts(db);
  return total;
}

/** Starts the periodic cleanup; `stop` is complete on return. */
export function startCleanup(db: Database, config: CleanupConfig, log: Log): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const loop = async (): Promise<void> => {
    for (;;) {
      // Jitter: replicas that started together must not stay in step.
      const pause = INTERVAL * (0.75 + Math.random() / 2);
      await timers.setTimeout(pause, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const deleted = await deleteExpired(db, config, BATCH, signal);
        if (deleted > 0) log.debug({ deleted }, "deleted expired rows");
      } catch (error) {
        log.warn({ reason: messageOf(error) }, "could not delete expired rows, trying again later");
      }
    }
  };
  const done = loop();
  return {
    stop() {
      stopping.abort();
      return done;
    },
  };
}
