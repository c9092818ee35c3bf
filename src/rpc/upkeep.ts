import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "../db/database.ts";
import { clearAttempts } from "../db/queries/attempts.ts";
import { clearAnswers } from "../db/queries/inbox.ts";
import { takeLease } from "../db/queries/leases.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";

/** Between two rounds of a replica, and as long as one replica keeps the others from it, in milliseconds. */
const INTERVAL = 60_000;

/** Rows that one statement takes away: its locks are in nobody's way for long. */
const BATCH = 1000;

/** Clears away answers and attempts that are too old, unless another replica has just done so; says how many answers. */
export async function clearInbox(db: Database, batch = BATCH, signal?: AbortSignal): Promise<number> {
  if (!(await takeLease(db, "rpc_inbox", INTERVAL))) return 0;
  let total = 0;
  while (signal?.aborted !== true) {
    const cleared = await clearAnswers(db, batch);
    total += cleared;
    if (cleared < batch) break;
  }
  await clearAttempts(db);
  return total;
}

/** Clears the inbox from time to time; `stop` is complete on return. */
export function startUpkeep(db: Database, log: Log): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const loop = async (): Promise<void> => {
    for (;;) {
      // Replicas that started together drift apart.
      const pause = INTERVAL * (0.75 + Math.random() / 2);
      await sleep(pause, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const cleared = await clearInbox(db, BATCH, signal);
        if (cleared > 0) log.debug({ cleared }, "cleared the inbox");
      } catch (error) {
        log.warn({ reason: messageOf(error) }, "could not clear the inbox, trying again later");
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
