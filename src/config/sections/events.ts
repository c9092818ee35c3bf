import { z } from "zod";

/** `event_settings`: what is told of what happens. */
export const eventSettings = z.strictObject({
  publish: z
    .boolean()
    .default(true)
    .describe("whether events go to the exchange; false: audit_log has them alone"),
  exchange: z
    .string()
    .min(1)
    .refine((name) => Buffer.byteLength(name) <= 255, "at most 255 bytes")
    .default("auth.events")
    .describe("topic exchange; the routing key is the event's type"),
  retention_days: z
    .number()
    .positive()
    .max(36_500)
    .default(90)
    .describe("so long events stand in the database, for audit_log"),
});
