import { randomUUID } from "node:crypto";
import type { QueueName } from "../config/queues.ts";
import { readingUntil } from "../db/reads.ts";
import { Abandoned, AppError } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import { emptyNotes, logRequest, type RequestEnd, type RequestNotes } from "../observability/request-line.ts";
import { announceStage } from "../observability/stages.ts";
import { traced } from "../observability/tracing.ts";
import { createAttempts } from "./attempts.ts";
import type { Services } from "./context.ts";
import { createDeadlines, type Deadline } from "./deadline.ts";
import { asObject, decodeRequest } from "./decode.ts";
import { type Envelope, failureEnvelope, type Incoming } from "./envelope.ts";
import { execute, type Prepared, recalled } from "./execute.ts";
import type { Registry } from "./registry.ts";

/** So long a request may take, in milliseconds: less than a caller waits, and than a stop does. */
const DEADLINE = 9000;

/** The one pipeline that every request passes: decode, validate, authorise, look up, handle, check the reply. */
export interface Dispatcher {
  /** The reply to a message, and notes on it; undefined when nobody waits for it any more. Never rejects. */
  handle(queue: QueueName, incoming: Incoming, notes: RequestNotes): Promise<Envelope | undefined>;
  /** The same for a request that is an object already: its data, or an AppError. */
  call(queue: QueueName, request: unknown): Promise<Readonly<Record<string, unknown>>>;
}

/** A dispatcher over all procedures; the schemas are made once, by the rules of this installation. */
export function createDispatcher(
  registry: Registry,
  services: Services,
  options: { log: Log; maxRequestBytes: number },
): Dispatcher {
  const { log, maxRequestBytes } = options;
  const deadlines = createDeadlines(DEADLINE);
  const attempts = createAttempts({
    ...services,
    log,
    recall: async (queue, answer, notes) => {
      const procedure = registry.get(queue);
      return procedure === undefined ? answer : recalled(services, procedure, answer, notes);
    },
  });
  const prepared = new Map<QueueName, Prepared>();
  for (const [name, procedure] of registry)
    prepared.set(name, { procedure, input: procedure.input(services.app) });

  const run = async (
    queue: QueueName,
    notes: RequestNotes,
    work: (known: Prepared, deadline: Deadline) => Promise<Envelope>,
  ) => {
    try {
      const known = prepared.get(queue);
      if (known === undefined) throw new Error(`no procedure for the queue ${queue}`);
      return await deadlines.run((deadline) =>
        readingUntil(performance.now() + deadline.left, () => work(known, deadline)),
      );
    } catch (error) {
      throw toKnown(error, queue, notes, log);
    }
  };

  return {
    async handle(queue, incoming, notes) {
      try {
        return await run(queue, notes, (known, deadline) => {
          const stillWanted = async (waited: number): Promise<boolean> =>
            !deadline.isOver && incoming.stillWanted(waited);
          return attempts.run(queue, incoming, { stillWanted, deadline, notes }, async () => {
            announceStage("started", queue, incoming.correlationId);
            const request = decodeRequest(incoming.body, maxRequestBytes);
            return execute(services, known, { request, incoming, stillWanted, deadline, notes });
          });
        });
      } catch (error) {
        return error instanceof AppError ? failureEnvelope(error) : undefined;
      }
    },
    async call(queue, request) {
      const since = performance.now();
      const notes = emptyNotes();
      const tell = (end: RequestEnd["end"]): void =>
        logRequest(log, { queue, end, ms: performance.now() - since, notes });
      try {
        const envelope = await traced({ name: `authmq ${queue}` }, () =>
          run(queue, notes, async (known, deadline) => {
            const stillWanted = (): boolean => !deadline.isOver;
            const underway = {
              request: asObject(request),
              incoming: undefined,
              stillWanted,
              deadline,
              notes,
            };
            return execute(services, known, underway);
          }),
        );
        tell(envelope);
        return envelope.resp_data;
      } catch (error) {
        tell(error instanceof AppError ? failureEnvelope(error) : "abandoned");
        throw error;
      }
    },
  };
}

/** The one catch-all: what has no code of its own becomes INTERNAL, and only the log learns what it was. */
function toKnown(error: unknown, queue: QueueName, notes: RequestNotes, log: Log): AppError | Abandoned {
  if (error instanceof Abandoned) return error;
  if (error instanceof AppError) {
    // While a dependency is away every request says so: where it happened tells nothing.
    if (error.detail !== undefined) notes.reason = error.detail;
    return error;
  }
  const reference = randomUUID();
  log.error({ err: error, queue, reference }, "a request met a fault");
  return new AppError("INTERNAL", undefined, { cause: error, reference });
}
