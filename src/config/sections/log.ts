import { z } from "zod";
import { filePath } from "./common.ts";

/** `log_settings`: log level and destination. */
export const logSettings = z.strictObject({
  level: z
    .string()
    .toLowerCase()
    .pipe(z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]))
    .default("info")
    .describe(
      "minimum level: `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`; case-insensitive",
    ),
  handler: z
    .enum(["stderr", "file", "amqp"])
    .default("stderr")
    .describe("log destination; `amqp` publishes to an exchange"),
  handler_settings: z
    .strictObject({
      path: filePath.optional().describe("log file (required for `file`); authmq does not rotate it"),
      exchange: z
        .string()
        .min(1)
        .refine((name) => Buffer.byteLength(name) <= 255, "must have at most 255 bytes")
        .default("amq.topic")
        .describe("for `amqp`: topic exchange, which must exist"),
      logger: z
        .string()
        .regex(/^[\w-]+(?:\.[\w-]+)*$/, "must be words of letters, digits, _ and -, separated by dots")
        .max(200)
        .default("authmq")
        .describe("for `amqp`: prefix of the routing key, before the level"),
    })
    .prefault({})
    .describe("settings of the handler"),
});
