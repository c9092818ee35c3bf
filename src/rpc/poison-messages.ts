import { randomUUID } from "node:crypto";
import { createConcurrencyLimiter, type ConcurrencyLimiter } from "../auth/concurrency-limiter.ts";
import type { Trx } from "../db/database.ts";
import {
  deleteAttempts,
  noteAttempt,
  parkRequest,
  readAttempts,
  type RedeliveredMessage,
} from "../db/queries/poison-messages.ts";
import { withRetry } from "../db/transaction.ts";
import { RequestCancelled, AppError } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import type { QueueName } from "../wire/queues.ts";
import type { Deadline } from "./deadline.ts";
import type { Services } from "./context.ts";
import type { Envelope, Incoming } from "./envelope.ts";
import { createExclusiveLock } from "./exclusive-lock.ts";
import type { Message } from "./message.ts";
import { recalled } from "./recall.ts";
import type { InFlight } from "./in-flight.ts";

/** A request that crashes its process is attempted so many times over all replicas. */
const MAX_ATTEMPTS = 3;

/** Second attempts at once, per queue: each of them is suspected if the process crashes. */
const MAX_RETRIES_AT_ONCE = 4;

/** The last attempt waits for other requests, and they for it, so many milliseconds at most. */
const EXCLUSIVE_LIMIT = 3000;

/** Stops a message that crashes its worker from crashing one replica after the other. */
export interface PoisonGuard {
  /** The result of `work`; throws INTERNAL, without running it, when three attempts at the message crashed a process. */
  guard(inFlight: InFlight, work: () => Promise<Envelope>): Promise<Envelope>;
}

/** Clears the attempts at a message in the transaction of its effect. */
export function deleteAttemptsAt(trx: Trx, { key }: Message): Promise<void> {
  return deleteAttempts(trx, key);
}

/**
 * Counts the attempts at messages that are delivered again, before each is made. The first delivery writes nothing:
 * that there is a second one tells enough. An attempt is forgotten with its commit, or when this process survives it.
 * All that was under way when a process ended is delivered again, and the harmless must not be parked with the one that
 * did it: so few second attempts are made at once, and the last one has the process to itself.
 */
export function createPoisonGuard(services: Services, log: Log): PoisonGuard {
  const { db, fingerprints, inbox, metrics } = services;
  const lock = createExclusiveLock(EXCLUSIVE_LIMIT);
  const limiters = new Map<QueueName, ConcurrencyLimiter>();
  const limiterOf = (queue: QueueName): ConcurrencyLimiter => {
    const known = limiters.get(queue);
    if (known !== undefined) return known;
    const limiter = createConcurrencyLimiter(MAX_RETRIES_AT_ONCE, undefined, (seconds) =>
      metrics.observe("lane_wait_seconds", seconds, { lane: "retries" }),
    );
    limiters.set(queue, limiter);
    return limiter;
  };
  /** The messages that this process is trying, whoever else tries them by now. */
  const underway = new Set<string>();
  const attempt = async (
    redelivered: RedeliveredMessage,
    number: number,
    incoming: Incoming,
    deadline: Deadline,
    work: () => Promise<Envelope>,
  ): Promise<Envelope> => {
    await withRetry(() => noteAttempt(db, redelivered, number), deadline.left);
    const { messageKey } = redelivered;
    const name = nameOf(messageKey);
    // Where it fails, the note goes after a quarter of an hour by itself.
    const forget = (): Promise<void> =>
      withRetry(() => deleteAttempts(db, messageKey)).catch(() => undefined);
    // Who loses the channel lives, and the next replica must not take that for an end.
    const keep = incoming.onLost(() => void forget());
    underway.add(name);
    try {
      return await work();
    } finally {
      underway.delete(name);
      keep();
      const forgotten = forget();
      // The last attempt is alone until that is known; nobody waits for it behind another one.
      if (number >= MAX_ATTEMPTS) await forgotten;
    }
  };
  const park = async (
    { messageKey, bodyHash, caller }: RedeliveredMessage,
    isKnown: boolean,
    { procedure, notes }: InFlight,
  ): Promise<Envelope> => {
    const { name: queue } = procedure;
    // It may have been done in an earlier attempt, and no later one came so far as to look for that.
    const answer = await inbox.findByMessage(queue, messageKey);
    if (answer !== undefined) return recalled(services, procedure, answer, notes);
    const reference = randomUUID();
    if (!isKnown) {
      await withRetry(() => parkRequest(db, messageKey));
      metrics.count("requests_parked_total", { queue });
    }
    const body_hash = Buffer.from(bodyHash).toString("hex");
    log.error(
      { queue, caller, body_hash, reference },
      "a request was parked: it crashed the worker three times",
    );
    throw new AppError("INTERNAL", "parked", { reference });
  };
  return {
    async guard(request, work) {
      const { message, isCancelled, deadline } = request;
      if (message === undefined) return work();
      const { queue, incoming } = message;
      if (!incoming.redelivered) return lock.runShared(work);
      const { key: messageKey } = message;
      const { userId, appId } = incoming;
      const redelivered = {
        messageKey,
        bodyHash: fingerprints.of("body", incoming.body),
        queue,
        // The sender's own words go to a terminal one day.
        caller: (userId === "" ? appId : userId).slice(0, 255).replaceAll(/\p{C}/gu, "?"),
      };
      const noted = await readAttempts(db, messageKey);
      const { isParked } = noted;
      const attempts = underway.has(nameOf(messageKey)) ? 0 : noted.attempts;
      if (attempts >= MAX_ATTEMPTS) return park(redelivered, isParked, request);
      const number = Math.max(2, attempts + 1);
      if (number < MAX_ATTEMPTS)
        return limiterOf(queue).run(isCancelled, () =>
          lock.runShared(() => attempt(redelivered, number, incoming, deadline, work)),
        );
      const since = performance.now();
      return lock.runExclusive(async () => {
        if (await isCancelled(performance.now() - since)) throw new RequestCancelled();
        return attempt(redelivered, number, incoming, deadline, work);
      });
    },
  };
}

function nameOf(messageKey: Uint8Array): string {
  return Buffer.from(messageKey).toString("hex");
}
