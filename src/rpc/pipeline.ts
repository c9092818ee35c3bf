import { randomUUID } from "node:crypto";
import { readingUntil } from "../db/reads.ts";
import { RequestCancelled, AppError } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import { emptyNotes, logRequest, type RequestEnd, type RequestNotes } from "../observability/request-line.ts";
import { announceStage } from "../observability/stages.ts";
import { traced } from "../observability/tracing.ts";
import type { QueueName } from "../wire/queues.ts";
import { findNamedAccount } from "./account.ts";
import { authorize } from "./authorize.ts";
import type { Services } from "./context.ts";
import { createDeadlines, type Deadline } from "./deadline.ts";
import { asObject, decodeRequest } from "./decode.ts";
import { type Envelope, failureEnvelope, type Incoming } from "./envelope.ts";
import { idempotencyKeyOf } from "./identity.ts";
import { createLegacyReplies } from "./legacy-replies.ts";
import { Message } from "./message.ts";
import { createPoisonGuard } from "./poison-messages.ts";
import { rateLimited } from "./rate-limit.ts";
import type { Procedure } from "./procedure.ts";
import { mayBeOwnEffect, replayed } from "./replay.ts";
import { runHandler } from "./run.ts";
import type { InFlight } from "./in-flight.ts";
import { assertTurnedOn } from "./turned-on.ts";
import { validate } from "./validate.ts";

/** Deadline of a request, in milliseconds: shorter than the timeouts of callers and of a stop. */
const DEADLINE = 9000;

/** The steps that every request passes. */
export interface Pipeline {
  /** Returns the reply to a message and fills in its notes; undefined if the request was cancelled. Never rejects. */
  handle(queue: QueueName, incoming: Incoming, notes: RequestNotes): Promise<Envelope | undefined>;
  /** Handles a request that is already an object; returns its data or throws an AppError. */
  call(queue: QueueName, request: unknown): Promise<Readonly<Record<string, unknown>>>;
}

/** Creates the pipeline for all procedures; schemas are built once, for this configuration. */
export function createPipeline(
  procedures: readonly Procedure[],
  services: Services,
  {
    log,
    maxRequestBytes,
    legacyReplies = false,
  }: { log: Log; maxRequestBytes: number; legacyReplies?: boolean },
): Pipeline {
  const toReply = legacyReplies ? createLegacyReplies(procedures) : (_: QueueName, reply: Envelope) => reply;
  const deadlines = createDeadlines(DEADLINE);
  const poison = createPoisonGuard(services, log);
  const prepared = new Map(
    procedures.map((procedure) => [procedure.name, { procedure, schema: procedure.input(services.app) }]),
  );

  /** The steps of a request, in order; `steps.ts` says which of them depend on the procedure. */
  const answer = async (queue: QueueName, arrived: Arrived, notes: RequestNotes): Promise<Envelope> => {
    const known = prepared.get(queue);
    if (known === undefined) throw new Error(`no procedure for the queue ${queue}`);
    const { procedure, schema } = known;
    // 1. Deadline
    return withinDeadline(async (deadline) => {
      const { incoming } = arrived;
      const message = incoming && new Message(queue, incoming, services.fingerprints);
      const isCancelled = (waited: number): boolean | Promise<boolean> =>
        deadline.isOver || (incoming?.isCancelled(waited) ?? false);
      const inFlight: InFlight = { procedure, message, isCancelled, deadline, notes };
      // 2. Poison message
      return poison.guard(inFlight, async () => {
        // 3. Decode
        const body = decode(arrived, queue);
        // 4. Validate
        const { input, token } = validate(procedure, schema, body, { services, notes });
        assertTurnedOn(services.app, procedure);
        // 5. Authorize
        const identity = await authorize(services, procedure, { input, token, notes });
        const { caller, refusal } = identity;
        if (refusal !== undefined && !mayBeOwnEffect(inFlight)) throw refusal;
        // 6. Account still valid
        const account =
          refusal === undefined ? await findNamedAccount(services, procedure, caller, input) : undefined;
        const authorized = { ...identity, account, input };
        // 7. Rate limit
        return rateLimited(services, inFlight, input, () =>
          // 8. Replay
          replayed(services, inFlight, authorized, (about) =>
            // 9. Run
            runHandler(services, inFlight, authorized, about),
          ),
        );
      });
    });
  };

  const withinDeadline = <T>(work: (deadline: Deadline) => Promise<T>): Promise<T> =>
    deadlines.run((deadline) => readingUntil(performance.now() + deadline.left, () => work(deadline)));

  const decode = ({ incoming, request }: Arrived, queue: QueueName): Readonly<Record<string, unknown>> => {
    if (incoming === undefined) return asObject(request);
    announceStage("started", queue, incoming.correlationId);
    const body = decodeRequest(incoming.body, maxRequestBytes);
    idempotencyKeyOf(incoming); // rejects an invalid key
    return body;
  };

  const answerOrFail = (queue: QueueName, arrived: Arrived, notes: RequestNotes): Promise<Envelope> =>
    answer(queue, arrived, notes).catch((error: unknown) => {
      throw toKnown(error, queue, notes, log);
    });

  return {
    async handle(queue, incoming, notes) {
      try {
        return toReply(queue, await answerOrFail(queue, { incoming, request: undefined }, notes));
      } catch (error) {
        return error instanceof AppError ? failureEnvelope(error) : undefined;
      }
    },
    async call(queue, request) {
      const since = performance.now();
      const notes = emptyNotes();
      const logEnd = (end: RequestEnd["end"]): void =>
        logRequest(log, { queue, end, ms: performance.now() - since, notes });
      try {
        const envelope = await traced({ name: `authmq ${queue}` }, () =>
          answerOrFail(queue, { incoming: undefined, request }, notes),
        );
        logEnd(envelope);
        return envelope.resp_data;
      } catch (error) {
        logEnd(error instanceof AppError ? failureEnvelope(error) : "abandoned");
        throw error;
      }
    },
  };
}

/** A message, or a request without a transport. */
interface Arrived {
  readonly incoming: Incoming | undefined;
  readonly request: unknown;
}

/** The only catch-all: an error without a code becomes INTERNAL, and only the log has its details. */
function toKnown(
  error: unknown,
  queue: QueueName,
  notes: RequestNotes,
  log: Log,
): AppError | RequestCancelled {
  if (error instanceof RequestCancelled) return error;
  if (error instanceof AppError) {
    // Log the reason without a stack trace: while a dependency is unavailable, every request fails alike.
    if (error.detail !== undefined) notes.reason = error.detail;
    return error;
  }
  const reference = randomUUID();
  log.error({ err: error, queue, reference }, "unexpected error in a request");
  return new AppError("INTERNAL", undefined, { cause: error, reference });
}
