import type { Workflows } from "../../schemas/workflows.d.ts";
import { type QueueName, QUEUES } from "./queues.ts";

/** The workflows by namespace and method; each hands the name of its queue and its arguments to `call`. */
export function workflowsBy<Options extends readonly unknown[]>(
  call: (queue: QueueName, request: unknown, ...options: Options) => Promise<unknown>,
): Workflows<Options> {
  const namespaces: Record<string, Record<string, unknown>> = {};
  for (const [queue, { namespace, method }] of Object.entries(QUEUES)) {
    namespaces[namespace] = {
      ...namespaces[namespace],
      // Object.entries forgets that the keys are names of queues.
      [method]: (request: unknown, ...options: Options) => call(queue as QueueName, request, ...options),
    };
  }
  // Generated from the same procedures as the type.
  return namespaces as unknown as Workflows<Options>;
}
