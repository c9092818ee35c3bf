import { queueNames } from "../config/queues.ts";
import type { QueueName } from "../wire/queues.ts";
import type { Procedure } from "./procedure.ts";

/** Every procedure by the name of its queue. */
export type Registry = ReadonlyMap<QueueName, Procedure>;

/** The registry of a list; throws when a queue has two procedures or none. */
export function createRegistry(procedures: readonly Procedure[]): Registry {
  const registry = new Map<QueueName, Procedure>();
  for (const procedure of procedures) {
    if (registry.has(procedure.name)) throw new Error(`two procedures for the queue ${procedure.name}`);
    registry.set(procedure.name, procedure);
  }
  const missing = queueNames().filter((name) => !registry.has(name));
  if (missing.length > 0) throw new Error(`no procedure for ${missing.join(", ")}`);
  return registry;
}
