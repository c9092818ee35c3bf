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
  handler: z.enum(["stderr", "file"]).default("stderr").describe("where to"),
  handler_settings: z
    .strictObject({
      path: filePath.optional().describe("the log file (required for `file`); authmq does not rotate it"),
    })
    .prefault({})
    .describe("of the handler"),
});
