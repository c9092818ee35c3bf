import { z } from "zod";
import { filePath } from "./common.ts";

/** `log_settings`: what is logged, and where to. */
export const logSettings = z.strictObject({
  level: z
    .string()
    .toLowerCase()
    .pipe(z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]))
    .default("info"),
  handler: z.enum(["stderr", "file", "amqp"]).default("stderr"),
  handler_settings: z
    .strictObject({
      path: filePath.optional().describe("of the log file (handler file)"),
      exchange: z
        .string()
        .min(1)
        .refine((name) => Buffer.byteLength(name) <= 255, "at most 255 bytes")
        .default("amq.topic")
        .describe("topic exchange that records are published to (handler amqp)"),
      logger: z
        .string()
        .regex(/^[\w-]+(?:\.[\w-]+)*$/, "words of letters, digits, _ and -, with dots between them")
        .max(200)
        .default("authmq")
        .describe("what routing keys begin with, before the level (handler amqp)"),
    })
    .prefault({}),
});
