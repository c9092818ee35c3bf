import { z } from "zod";
import { type QueueName, QUEUES } from "../../wire/queues.ts";
import { QUEUE_KEYS } from "../queues.ts";

const queueName = z
  .string()
  .min(1)
  .refine((name) => Buffer.byteLength(name) <= 255, "at most 255 bytes")
  .refine((name) => !name.startsWith("amq."), "names that begin with amq. belong to the broker");

/** `queue_settings`: other names for the queues. */
export const queueSettings = z.strictObject(
  Object.fromEntries(
    Array.from(QUEUE_KEYS, ([key, name]) => [
      key,
      // Not zod's default: two spellings of one key must be told from one.
      queueName.optional().meta({ default: name, description: describe(key, name) }),
    ]),
  ),
);

function describe(key: string, name: QueueName): string {
  const usual = QUEUES[name].key;
  return key === usual ? `the queue of \`${name}\`` : `another spelling of \`${usual}\``;
}
