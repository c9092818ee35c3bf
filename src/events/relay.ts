import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "../db/database.ts";
import { foldName } from "../db/names.ts";
import { findUnpublished, markPublished, type RecordedEvent } from "../db/queries/events.ts";
import { holdLease, releaseLease } from "../db/queries/leases.ts";
import { withRetry } from "../db/transaction.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";

/** Where events go. */
export interface EventSink {
  /** Why nothing can be published now; undefined when it can. */
  readonly fault: string | undefined;
  /** Whether the event has arrived for sure. Never rejects. */
  publish(event: RecordedEvent): Promise<boolean>;
}

/** Publishes what was recorded. */
export interface Relay {
  /** Something was recorded and committed: it need not wait for the next look. */
  wake(): void;
  start(): void;
  /** Ends after the events that are under way; complete on return. */
  stop(): Promise<void>;
}

interface RelayParts {
  readonly db: Database;
  readonly sink: EventSink;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Events of one turn. */
const BATCH = 200;

/** One replica publishes for all, for so long after it was last heard of, in milliseconds. */
const LEASE = 6000;

/** Of which so much is left when a turn begins: it takes less. */
const RESERVE = 3000;

/** Between two looks of the replica that publishes: others record events that it is not told of, in milliseconds. */
const LOOK = 500;

/** So long what was recorded waits for others, and lets the reply go first, in milliseconds. */
const GATHER = 20;

/** Between two looks whether the broker is there, in milliseconds. */
const AWAY = 250;

/** Between two looks whether the replica that publishes still lives, and after a failure, in milliseconds. */
const RETRY = 2000;

/**
 * Publishes recorded events at least once, those of one user in their order. One replica does so at a time, because two
 * could overtake each other. What could not be published, or not noted as published, is published again with the same id.
 */
export function createRelay({ db, sink, metrics, log }: RelayParts): Relay {
  const stopping = new AbortController();
  let isWoken = false;
  let isWakeable = false;
  let nap = new AbortController();
  let done: Promise<void> = Promise.resolve();
  let lease: Date | undefined;
  let waiting = 0;
  metrics.gauge("events_waiting", {}, () => waiting);

  const rest = async (duration: number): Promise<void> => {
    // Only the replica that publishes, and has nothing to publish, is woken.
    isWakeable = duration === LOOK;
    if (stopping.signal.aborted) return;
    if (!isWakeable || !isWoken) {
      nap = new AbortController();
      await sleep(duration, undefined, { signal: nap.signal, ref: false }).catch(() => undefined);
    }
    if (isWakeable && isWoken)
      await sleep(GATHER, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
  };

  /** How long to rest after it, in milliseconds. */
  const turn = async (): Promise<number> => {
    isWoken = false;
    if (sink.fault !== undefined) return AWAY;
    if ((lease?.getTime() ?? 0) - Date.now() < RESERVE) lease = await holdLease(db, "events", LEASE, lease);
    if (lease === undefined) return RETRY * (0.75 + Math.random() / 2);
    const events = await findUnpublished(db, BATCH);
    waiting = events.length;
    if (events.length === 0) return LOOK;
    const published = await publishInOrder(sink, events, stopping.signal);
    if (published.length > 0) await withRetry(() => markPublished(db, published));
    published.forEach(() => metrics.count("events_published_total"));
    waiting -= published.length;
    if (published.length < events.length && !stopping.signal.aborted) {
      log.warn({ waiting }, "the broker did not confirm all events, trying again");
      return RETRY;
    }
    return published.length === BATCH ? 0 : LOOK;
  };

  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await rest(await turn());
      } catch (error) {
        log.warn({ reason: messageOf(error) }, "cannot publish events, trying again");
        await rest(RETRY);
      }
    }
    // The next one need not wait until it has lapsed.
    if (lease !== undefined) await releaseLease(db, "events", lease).catch(() => undefined);
  };

  return {
    wake() {
      if (isWoken) return; // each abort makes an error to abort with
      isWoken = true;
      if (isWakeable) nap.abort();
    },
    start() {
      done = loop();
    },
    async stop() {
      stopping.abort();
      nap.abort();
      await done;
    },
  };
}

/**
 * The events of each user one after another, those of different users side by side; begins none any more after the stop.
 * Gives those that have arrived.
 */
async function publishInOrder(
  sink: EventSink,
  events: readonly RecordedEvent[],
  stop: AbortSignal,
): Promise<number[]> {
  const published: number[] = [];
  const last = new Map<string | null, Promise<boolean>>();
  for (const event of events) {
    // Who was deleted and made anew in another spelling has the same name.
    const user = event.username === null ? null : foldName(event.username);
    const before = last.get(user) ?? Promise.resolve(true);
    const mine = before.then(async (isDone) => {
      if (!isDone || stop.aborted || !(await sink.publish(event))) return false;
      published.push(event.seq);
      return true;
    });
    last.set(user, mine);
  }
  await Promise.all(last.values());
  return published;
}
