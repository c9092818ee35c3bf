import { z } from "zod";
import { filePath } from "./common.ts";

/** `log_settings`: what is logged, and where to. */
export const logSettings = z.strictObject({
  level: z
    .string()
    .toLowerCase()
    .pipe(z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]))
    .default("info"),
  handler: z.enum(["stderr", "file"]).default("stderr"),
  handler_settings: z
    .strictObject({ path: filePath.optional().describe("of the log file (handler file)") })
    .prefault({}),
});
