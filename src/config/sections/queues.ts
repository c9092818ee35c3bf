import { z } from "zod";
import { type QueueName, QUEUES } from "../../wire/queues.ts";
import { QUEUE_KEYS } from "../queues.ts";

const queueName = z
  .string()
  .min(1)
  .refine((name) => Buffer.byteLength(name) <= 255, "must have at most 255 bytes")
  .refine((name) => !name.startsWith("amq."), "must not begin with amq., which the broker reserves");

/** `queue_settings`: names of the queues. */
export const queueSettings = z.strictObject(
  Object.fromEntries(
    Array.from(QUEUE_KEYS, ([key, name]) => [
      key,
      // No zod default: readQueues() must see whether a key and its alias are both set.
      queueName.optional().meta({ default: name, description: describe(key, name) }),
    ]),
  ),
);

function describe(key: string, name: QueueName): string {
  const { key: ownKey } = QUEUES[name];
  return key === ownKey ? `queue name of \`${name}\`` : `alias of \`${ownKey}\``;
}
