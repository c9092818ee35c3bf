import { z } from "zod";
import { filePath } from "./common.ts";

/** `log_settings`: what is logged, and where to. */
export const logSettings = z.strictObject({
  level: z
    .string()
    .toLowerCase()
    .pipe(z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]))
    .default("info")
    .describe(
      "from which level on: `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`, in any case",
    ),
  handler: z
    .enum(["stderr", "file", "amqp"])
    .default("stderr")
    .describe("where to; with `amqp` it is published to an exchange"),
  handler_settings: z
    .strictObject({
      path: filePath.optional().describe("the log file (required for `file`); authmq does not rotate it"),
      exchange: z
        .string()
        .min(1)
        .refine((name) => Buffer.byteLength(name) <= 255, "at most 255 bytes")
        .default("amq.topic")
        .describe("for `amqp`: the topic exchange, which must be there"),
      logger: z
        .string()
        .regex(/^[\w-]+(?:\.[\w-]+)*$/, "words of letters, digits, _ and -, with dots between them")
        .max(200)
        .default("authmq")
        .describe("for `amqp`: what routing keys begin with, before the level"),
    })
    .prefault({})
    .describe("of the handler"),
});
