import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "../db/database.ts";
import { foldName } from "../db/names.ts";
import { findUnpublished, markPublished, type RecordedEvent } from "../db/queries/events.ts";
import { holdLease, releaseLease } from "../db/queries/leases.ts";
import { withRetry } from "../db/transaction.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";

/** Publishes single events. */
export interface EventSink {
  /** Why publishing is not possible now; undefined when it is. */
  readonly fault: string | undefined;
  /** Whether the event is confirmed. Never rejects. */
  publish(event: RecordedEvent): Promise<boolean>;
}

/** Publishes recorded events (the outbox). */
export interface Relay {
  /** Publishes without waiting for the next poll; call it after the commit of an event. */
  wake(): void;
  start(): void;
  /** Waits for the events in flight; complete on return. */
  stop(): Promise<void>;
}

interface RelayParts {
  readonly db: Database;
  readonly sink: EventSink;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** The number of events that are read and published together. */
const BATCH = 200;

/** One replica at a time holds the lease and publishes for all; it lasts this long, in milliseconds. */
const LEASE_TIME = 6000;

/** The lease is extended when less than this is left, in milliseconds; a batch takes less. */
const LEASE_MARGIN = 3000;

/** Poll interval of the publishing replica in milliseconds: other replicas record events without waking it. */
const POLL = 500;

/** Delay after a wake, in milliseconds: collects further events, and lets the reply go first. */
const BATCH_DELAY = 20;

/** Interval of the checks whether publishing is possible, in milliseconds. */
const SINK_RETRY = 250;

/** Interval of attempts to get the lease, and delay after a failure, in milliseconds. */
const RETRY = 2000;

/**
 * Publishes recorded events at least once, and the events of one user in order. One replica publishes at a time to keep
 * that order. An event that was not confirmed or not marked as published is published again with the same ID.
 */
export function createRelay({ db, sink, metrics, log }: RelayParts): Relay {
  const stopping = new AbortController();
  let isWoken = false;
  let isWakeable = false;
  let pause = new AbortController();
  let done: Promise<void> = Promise.resolve();
  let lease: Date | undefined;
  let waiting = 0;
  metrics.gauge("events_waiting", {}, () => waiting);

  const waitFor = async (duration: number): Promise<void> => {
    // Only the publishing replica is woken, and only while it has nothing to publish.
    isWakeable = duration === POLL;
    if (stopping.signal.aborted) return;
    if (!isWakeable || !isWoken) {
      pause = new AbortController();
      await sleep(duration, undefined, { signal: pause.signal, ref: false }).catch(() => undefined);
    }
    if (isWakeable && isWoken)
      await sleep(BATCH_DELAY, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
  };

  /** Publishes one batch; returns how long to wait before the next, in milliseconds. */
  const publishBatch = async (): Promise<number> => {
    isWoken = false;
    if (sink.fault !== undefined) return SINK_RETRY;
    if ((lease?.getTime() ?? 0) - Date.now() < LEASE_MARGIN)
      lease = await holdLease(db, "events", LEASE_TIME, lease);
    if (lease === undefined) return RETRY * (0.75 + Math.random() / 2);
    const events = await findUnpublished(db, BATCH);
    waiting = events.length;
    if (events.length === 0) return POLL;
    const published = await publishInOrder(sink, events, stopping.signal);
    if (published.length > 0) await withRetry(() => markPublished(db, published));
    published.forEach(() => metrics.count("events_published_total"));
    waiting -= published.length;
    if (published.length < events.length && !stopping.signal.aborted) {
      log.warn({ waiting }, "the broker did not confirm all events, trying again");
      return RETRY;
    }
    return published.length === BATCH ? 0 : POLL;
  };

  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await waitFor(await publishBatch());
      } catch (error) {
        log.warn({ reason: messageOf(error) }, "cannot publish events, trying again");
        await waitFor(RETRY);
      }
    }
    // The next replica need not wait until the lease expires.
    if (lease !== undefined) await releaseLease(db, "events", lease).catch(() => undefined);
  };

  return {
    wake() {
      if (isWoken) return; // each abort creates an error object
      isWoken = true;
      if (isWakeable) pause.abort();
    },
    start() {
      done = loop();
    },
    async stop() {
      stopping.abort();
      pause.abort();
      await done;
    },
  };
}

/**
 * Publishes the events of one user in order, and those of different users in parallel; starts no event after the stop.
 * Returns the sequence numbers of the confirmed events.
 */
async function publishInOrder(
  sink: EventSink,
  events: readonly RecordedEvent[],
  stop: AbortSignal,
): Promise<number[]> {
  const published: number[] = [];
  const last = new Map<string | null, Promise<boolean>>();
  for (const event of events) {
    // An account that was deleted and recreated with another spelling counts as the same user.
    const user = event.username === null ? null : foldName(event.username);
    const previous = last.get(user) ?? Promise.resolve(true);
    const current = previous.then(async (isDone) => {
      if (!isDone || stop.aborted || !(await sink.publish(event))) return false;
      published.push(event.seq);
      return true;
    });
    last.set(user, current);
  }
  await Promise.all(last.values());
  return published;
}
