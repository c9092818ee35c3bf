import type { Workflows } from "../../schemas/workflows.d.ts";
import { type QueueName, QUEUES } from "./queues.ts";

/** The workflows by namespace and method; each passes its queue name and arguments to `call`. */
export function workflowsBy<Options extends readonly unknown[]>(
  call: (queue: QueueName, request: unknown, ...options: Options) => Promise<unknown>,
): Workflows<Options> {
  const namespaces: Record<string, Record<string, unknown>> = {};
  for (const [queue, { namespace, method }] of Object.entries(QUEUES)) {
    namespaces[namespace] = {
      ...namespaces[namespace],
      // Object.entries widens the keys to string.
      [method]: (request: unknown, ...options: Options) => call(queue as QueueName, request, ...options),
    };
  }
  // QUEUES and the type are generated from the same procedures.
  return namespaces as unknown as Workflows<Options>;
}
