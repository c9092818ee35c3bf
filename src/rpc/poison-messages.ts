import { randomUUID } from "node:crypto";
import { createLane, type Lane } from "../auth/lane.ts";
import type { Trx } from "../db/database.ts";
import {
  forgetAttempts,
  noteAttempt,
  parkRequest,
  readAttempts,
  type Suspect,
} from "../db/queries/attempts.ts";
import { repeated } from "../db/transaction.ts";
import { Abandoned, AppError } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import type { QueueName } from "../wire/queues.ts";
import type { Deadline } from "./deadline.ts";
import type { Services } from "./context.ts";
import type { Envelope, Incoming } from "./envelope.ts";
import { createGate } from "./gate.ts";
import type { Message } from "./message.ts";
import { recalled } from "./recall.ts";
import type { Underway } from "./underway.ts";

/** A request that ends the process is tried so many times over all replicas. */
const MAX_ATTEMPTS = 3;

/** Second attempts at once, of one queue: all of them are suspects when the process ends. */
const SUSPECTS = 4;

/** So long the last attempt at a request waits for others, and keeps them waiting, in milliseconds. */
const ALONE = 3000;

/** Stops a message that crashes its worker from crashing one replica after the other. */
export interface PoisonGuard {
  /** The result of `work`; throws INTERNAL, without running it, when three attempts at the message crashed a process. */
  guard(underway: Underway, work: () => Promise<Envelope>): Promise<Envelope>;
}

/** Clears the attempts at a message in the transaction of its effect. */
export function forgetAttemptsAt(trx: Trx, { key }: Message): Promise<void> {
  return forgetAttempts(trx, key);
}

/**
 * Counts the attempts at messages that are delivered again, before each is made. The first delivery writes nothing:
 * that there is a second one tells enough. An attempt is forgotten with its commit, or when this process survives it.
 * All that was under way when a process ended is delivered again, and the harmless must not be parked with the one that
 * did it: so few second attempts are made at once, and the last one has the process to itself.
 */
export function createPoisonGuard(services: Services, log: Log): PoisonGuard {
  const { db, fingerprints, inbox, metrics } = services;
  const gate = createGate(ALONE);
  const lanes = new Map<QueueName, Lane>();
  const laneOf = (queue: QueueName): Lane => {
    const known = lanes.get(queue);
    if (known !== undefined) return known;
    const lane = createLane(SUSPECTS, undefined, (seconds) =>
      metrics.observe("lane_wait_seconds", seconds, { lane: "retries" }),
    );
    lanes.set(queue, lane);
    return lane;
  };
  /** The messages that this process is trying, whoever else tries them by now. */
  const underway = new Set<string>();
  const attempt = async (
    suspect: Suspect,
    number: number,
    incoming: Incoming,
    deadline: Deadline,
    work: () => Promise<Envelope>,
  ): Promise<Envelope> => {
    await repeated(() => noteAttempt(db, suspect, number), deadline.left);
    const { messageKey } = suspect;
    const name = nameOf(messageKey);
    // Where it fails, the note goes after a quarter of an hour by itself.
    const forget = (): Promise<void> => repeated(() => forgetAttempts(db, messageKey)).catch(() => undefined);
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
    { messageKey, bodyHash, caller }: Suspect,
    isKnown: boolean,
    { procedure, notes }: Underway,
  ): Promise<Envelope> => {
    const { name: queue } = procedure;
    // It may have been done in an earlier attempt, and no later one came so far as to look for that.
    const answer = await inbox.findByMessage(queue, messageKey);
    if (answer !== undefined) return recalled(services, procedure, answer, notes);
    const reference = randomUUID();
    if (!isKnown) {
      await repeated(() => parkRequest(db, messageKey));
      metrics.count("requests_parked_total", { queue });
    }
    const body_hash = Buffer.from(bodyHash).toString("hex");
    log.error(
      { queue, caller, body_hash, reference },
      "a request is parked: it ended the process three times",
    );
    throw new AppError("INTERNAL", "parked", { reference });
  };
  return {
    async guard(request, work) {
      const { message, stillWanted, deadline } = request;
      if (message === undefined) return work();
      const { queue, incoming } = message;
      if (!incoming.redelivered) return gate.beside(work);
      const { key: messageKey } = message;
      const { userId, appId } = incoming;
      const suspect = {
        messageKey,
        bodyHash: fingerprints.of("body", incoming.body),
        queue,
        // The sender's own words go to a terminal one day.
        caller: (userId === "" ? appId : userId).slice(0, 255).replaceAll(/\p{C}/gu, "?"),
      };
      const noted = await readAttempts(db, messageKey);
      const { isParked } = noted;
      const attempts = underway.has(nameOf(messageKey)) ? 0 : noted.attempts;
      if (attempts >= MAX_ATTEMPTS) return park(suspect, isParked, request);
      const number = Math.max(2, attempts + 1);
      if (number < MAX_ATTEMPTS)
        return laneOf(queue).run(stillWanted, () =>
          gate.beside(() => attempt(suspect, number, incoming, deadline, work)),
        );
      const since = performance.now();
      return gate.alone(async () => {
        if (!(await stillWanted(performance.now() - since))) throw new Abandoned();
        return attempt(suspect, number, incoming, deadline, work);
      });
    },
  };
}

function nameOf(messageKey: Uint8Array): string {
  return Buffer.from(messageKey).toString("hex");
}
