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

/** Attempts at a message that crashes its process, over all replicas. */
const MAX_ATTEMPTS = 3;

/** Concurrent second attempts per queue: each of them is a suspect if the process crashes. */
const MAX_RETRIES_AT_ONCE = 4;

/** Upper limit of how long the last attempt and other requests wait for each other, in milliseconds. */
const EXCLUSIVE_LIMIT = 3000;

/** Keeps a message that crashes its worker from crashing one replica after another. */
export interface PoisonGuard {
  /**
   * Returns the result of `work`. Throws INTERNAL without running it if three attempts at the message crashed a
   * process.
   */
  guard(inFlight: InFlight, work: () => Promise<Envelope>): Promise<Envelope>;
}

/** Deletes the attempts at a message in the transaction of its effect. */
export function deleteAttemptsAt(trx: Trx, { key }: Message): Promise<void> {
  return deleteAttempts(trx, key);
}

/**
 * Counts the attempts at redelivered messages, before each attempt. A first delivery writes nothing: a second one shows
 * enough. An attempt is deleted with its commit, or when this process survives it. After a crash all unfinished
 * messages are redelivered, and harmless ones must not be parked. So few second attempts run at once, and the last one
 * runs alone.
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
  /** Messages that this process is attempting, even if another one attempts them by now. */
  const inProgress = new Set<string>();
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
    // If this fails, cleanup deletes the attempt after 15 minutes.
    const deleteNote = (): Promise<void> =>
      withRetry(() => deleteAttempts(db, messageKey)).catch(() => undefined);
    // A lost channel is no crash, and the next replica must not count it as one.
    const stopWatching = incoming.onLost(() => void deleteNote());
    inProgress.add(name);
    try {
      return await work();
    } finally {
      inProgress.delete(name);
      stopWatching();
      const deleted = deleteNote();
      // The last attempt keeps the lock until its attempt is deleted.
      if (number >= MAX_ATTEMPTS) await deleted;
    }
  };
  const park = async (
    { messageKey, bodyHash, caller }: RedeliveredMessage,
    isKnown: boolean,
    { procedure, notes }: InFlight,
  ): Promise<Envelope> => {
    const { name: queue } = procedure;
    // An earlier attempt may have committed before the process crashed.
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
    throw new AppError("INTERNAL", "the request is parked", { reference });
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
        // Replace control characters: this text may be printed on a terminal.
        caller: (userId === "" ? appId : userId).slice(0, 255).replaceAll(/\p{C}/gu, "?"),
      };
      const noted = await readAttempts(db, messageKey);
      const { isParked } = noted;
      const attempts = inProgress.has(nameOf(messageKey)) ? 0 : noted.attempts;
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
