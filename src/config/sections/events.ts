import { z } from "zod";

/** `event_settings`: published events and the audit log. */
export const eventSettings = z.strictObject({
  publish: z
    .boolean()
    .default(true)
    .describe("whether to publish events; if false, they are only in `audit_log`"),
  exchange: z
    .string()
    .min(1)
    .refine((name) => Buffer.byteLength(name) <= 255, "must have at most 255 bytes")
    .default("auth.events")
    .describe("topic exchange for events; the routing key is the event type"),
  retention_days: z
    .number()
    .positive()
    .max(36_500)
    .default(90)
    .describe("days that events are kept in the database, for `audit_log`"),
});
