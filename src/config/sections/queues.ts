import { z } from "zod";
import { QUEUE_KEYS } from "../queues.ts";

const queueName = z
  .string()
  .min(1)
  .refine((name) => Buffer.byteLength(name) <= 255, "at most 255 bytes")
  .refine((name) => !name.startsWith("amq."), "names that begin with amq. belong to the broker");

/** `queue_settings`: other names for the queues. */
export const queueSettings = z.strictObject(
  Object.fromEntries(
    QUEUE_KEYS.map((key) => [key, queueName.optional().describe("queue name of this workflow")]),
  ),
);
