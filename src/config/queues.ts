import { type QueueName, QUEUES } from "../wire/queues.ts";
import type { Faults } from "./fault.ts";

/** Aliases of keys, from py_auth_micro. */
const ALIASES = { group_workflow_group_users: "group_user" } as const;

/** The allowed keys of `queue_settings`, with the default names of their queues. */
export const QUEUE_KEYS: ReadonlyMap<string, QueueName> = new Map([
  ...queueNames().map((name) => [QUEUES[name].key, name] as const),
  ...Object.entries(ALIASES),
]);

/** The default queue names in the order of the documentation. */
export function queueNames(): QueueName[] {
  return Object.keys(QUEUES).filter(isQueueName);
}

/** Whether this is a default queue name. */
export function isQueueName(name: string): name is QueueName {
  return Object.hasOwn(QUEUES, name);
}

/** The broker queue of each workflow; adds a fault if two workflows share a queue or a key and its alias are set. */
export function readQueues(
  { parts }: { readonly parts: Readonly<Record<string, string | undefined>> | undefined },
  faults: Faults,
): ReadonlyMap<QueueName, string> {
  const given = { ...parts };
  const isUnknown = (key: string): boolean => faults.has(`queue_settings.${key}`);
  const unknown = new Set([...QUEUE_KEYS].filter(([key]) => isUnknown(key)).map(([, name]) => name));
  for (const [alias, name] of Object.entries(ALIASES)) {
    const { key } = QUEUES[name];
    if (given[alias] === undefined) continue;
    if (given[key] !== undefined)
      faults.push({
        path: `queue_settings.${alias}`,
        msg: `is an alias of ${key}: remove one of them`,
      });
    given[key] = given[alias];
  }
  const queues = new Map<QueueName, string>();
  for (const workflow of queueNames()) {
    const { key } = QUEUES[workflow];
    if (unknown.has(workflow)) continue;
    const queue = given[key] ?? workflow;
    const other = queues.entries().find(([, name]) => name === queue)?.[0];
    if (other !== undefined)
      faults.push({
        path: `queue_settings.${key}`,
        msg: `the queue ${queue} is already used for ${other}: choose another name`,
      });
    queues.set(workflow, queue);
  }
  return queues;
}
