import timers from "node:timers/promises";
import type { Config } from "../config/load.ts";
import type { Database } from "../db/database.ts";
import { clearAttempts } from "../db/queries/poison-messages.ts";
import { clearReplies } from "../db/queries/inbox.ts";
import { clearEvents, deleteUnknownUserEvents, withholdEvents } from "../db/queries/events.ts";
import { clearExpired } from "../db/queries/expired.ts";
import { takeLease } from "../db/queries/leases.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";

/** Between two rounds of a replica, and as long as one replica keeps the others from it, in milliseconds. */
const INTERVAL = 60_000;

const DAY = 24 * 60 * 60_000;

type CleanupConfig = Pick<Config, "events">;

/** Rows that one statement takes away: its locks are in nobody's way for long. */
const BATCH = 1000;

/**
 * Clears away what need not be remembered, or told, any more, unless another replica has just done so; says how many
 * rows that were.
 */
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
  const yesterday = new Date(Date.now() - DAY);
  const clearOldStrangers = (from: Database, limit: number): Promise<number> =>
    deleteUnknownUserEvents(from, yesterday, limit);
  // What nobody is told of keeps nothing after it waiting.
  const withhold = events.publish ? [] : [withholdEvents];
  for (const clear of [
    ...withhold,
    clearReplies,
    clearOldThrottles,
    clearOldTokens,
    clearOldEvents,
    clearOldStrangers,
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

/** Clears up from time to time; `stop` is complete on return. */
export function startCleanup(db: Database, config: CleanupConfig, log: Log): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const loop = async (): Promise<void> => {
    for (;;) {
      // Replicas that started together drift apart.
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
