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
import { Message } from "./message.ts";
import { createPoisonGuard } from "./poison-messages.ts";
import { rateLimited } from "./rate-limit.ts";
import type { Procedure } from "./procedure.ts";
import { replayed } from "./replay.ts";
import { runHandler } from "./run.ts";
import type { InFlight } from "./in-flight.ts";
import { validate } from "./validate.ts";

/** So long a request may take, in milliseconds: less than a caller waits, and than a stop does. */
const DEADLINE = 9000;

/** The one way of every request to its reply. */
export interface Pipeline {
  /** The reply to a message, and notes on it; undefined when nobody waits for it any more. Never rejects. */
  handle(queue: QueueName, incoming: Incoming, notes: RequestNotes): Promise<Envelope | undefined>;
  /** The same for a request that is an object already: its data, or an AppError. */
  call(queue: QueueName, request: unknown): Promise<Readonly<Record<string, unknown>>>;
}

/** The pipeline over all procedures; the schemas are made once, by the rules of this installation. */
export function createPipeline(
  procedures: readonly Procedure[],
  services: Services,
  { log, maxRequestBytes }: { log: Log; maxRequestBytes: number },
): Pipeline {
  const deadlines = createDeadlines(DEADLINE);
  const poison = createPoisonGuard(services, log);
  const prepared = new Map(
    procedures.map((procedure) => [procedure.name, { procedure, schema: procedure.input(services.app) }]),
  );

  /** The steps of every request in their order; `steps.ts` says which of them a procedure uses. */
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
        // 5. Authorize
        const identity = await authorize(services, procedure, { input, token, notes });
        // 6. Account still valid
        const account = await findNamedAccount(services, procedure, identity.caller, input);
        const authorized = { ...identity, account, input };
        // 7. Rate limit
        return rateLimited(services.throttle, inFlight, input, () =>
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
    idempotencyKeyOf(incoming); // a bad one is an error of the request like any other
    return body;
  };

  const answerOrFail = (queue: QueueName, arrived: Arrived, notes: RequestNotes): Promise<Envelope> =>
    answer(queue, arrived, notes).catch((error: unknown) => {
      throw toKnown(error, queue, notes, log);
    });

  return {
    async handle(queue, incoming, notes) {
      try {
        return await answerOrFail(queue, { incoming, request: undefined }, notes);
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

/** A message, or a request without one. */
interface Arrived {
  readonly incoming: Incoming | undefined;
  readonly request: unknown;
}

/** The one catch-all: what has no code of its own becomes INTERNAL, and only the log learns what it was. */
function toKnown(
  error: unknown,
  queue: QueueName,
  notes: RequestNotes,
  log: Log,
): AppError | RequestCancelled {
  if (error instanceof RequestCancelled) return error;
  if (error instanceof AppError) {
    // While a dependency is away every request says so: where it happened tells nothing.
    if (error.detail !== undefined) notes.reason = error.detail;
    return error;
  }
  const reference = randomUUID();
  log.error({ err: error, queue, reference }, "unexpected error in a request");
  return new AppError("INTERNAL", undefined, { cause: error, reference });
}
