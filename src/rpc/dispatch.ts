import { randomUUID } from "node:crypto";
import type { z } from "zod";
import type { StillWanted } from "../auth/lane.ts";
import type { QueueName } from "../config/queues.ts";
import { Abandoned, AppError, type FieldFault } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import { authorize } from "./authorize.ts";
import type { Services } from "./context.ts";
import { asObject, decodeRequest } from "./decode.ts";
import { type Envelope, failureEnvelope, successEnvelope } from "./envelope.ts";
import type { Procedure } from "./procedure.ts";
import type { Registry } from "./registry.ts";

/** The one pipeline that every request passes: decode, validate, authorise, handle, check the reply. */
export interface Dispatcher {
  /** The reply to a message's body; undefined when nobody waits for it any more. Never rejects. */
  handle(queue: QueueName, body: Uint8Array, stillWanted: StillWanted): Promise<Envelope | undefined>;
  /** The same for a request that is an object already: its data, or an AppError. */
  call(queue: QueueName, request: unknown): Promise<Readonly<Record<string, unknown>>>;
}

interface Prepared {
  readonly procedure: Procedure;
  readonly input: z.ZodObject;
}

interface Done {
  readonly respCode: 200 | 204;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A dispatcher over all procedures; the schemas are made once, by the rules of this installation. */
export function createDispatcher(
  registry: Registry,
  services: Services,
  options: { log: Log; maxRequestBytes: number },
): Dispatcher {
  const { log, maxRequestBytes } = options;
  const prepared = new Map<QueueName, Prepared>();
  for (const [name, procedure] of registry)
    prepared.set(name, { procedure, input: procedure.input(services.app) });

  const run = async (
    queue: QueueName,
    read: () => Readonly<Record<string, unknown>>,
    stillWanted: StillWanted,
  ): Promise<Done> => {
    try {
      const known = prepared.get(queue);
      if (known === undefined) throw new Error(`no procedure for the queue ${queue}`);
      return await execute(services, known, read(), stillWanted);
    } catch (error) {
      throw toKnown(error, queue, log);
    }
  };

  return {
    async handle(queue, body, stillWanted) {
      try {
        const { respCode, data } = await run(queue, () => decodeRequest(body, maxRequestBytes), stillWanted);
        return successEnvelope(respCode, data);
      } catch (error) {
        return error instanceof AppError ? failureEnvelope(error) : undefined;
      }
    },
    async call(queue, request) {
      const { data } = await run(
        queue,
        () => asObject(request),
        () => true,
      );
      return data;
    },
  };
}

async function execute(
  services: Services,
  { procedure, input: schema }: Prepared,
  request: Readonly<Record<string, unknown>>,
  stillWanted: StillWanted,
): Promise<Done> {
  const { data: input, error } = schema.safeParse(request);
  if (error !== undefined) throw new AppError("INVALID_INPUT", undefined, { fields: toFields(error) });
  const identity = await authorize(services, procedure, request, input);
  const output = await procedure.handler({ ...services, ...identity, stillWanted }, input);
  const data = procedure.output.parse(output);
  return { respCode: procedure.isEmpty?.(data) === true ? 204 : 200, data };
}

function toFields(error: z.ZodError): FieldFault[] {
  return error.issues.map(({ path, message }) => ({ path: path.join("."), msg: message }));
}

/** The one catch-all: what has no code of its own becomes INTERNAL, and only the log learns what it was. */
function toKnown(error: unknown, queue: QueueName, log: Log): AppError | Abandoned {
  if (error instanceof Abandoned) return error;
  if (error instanceof AppError) {
    if (error.respCode >= 500) log.error({ err: error, queue }, "a request failed");
    else log.debug({ queue, error: error.code, detail: error.message }, "a request was refused");
    return error;
  }
  const reference = randomUUID();
  log.error({ err: error, queue, reference }, "a request met a fault");
  return new AppError("INTERNAL", undefined, { cause: error, reference });
}
