import { readFileSync } from "node:fs";
import { z } from "zod";

const packageSchema = z.object({ version: z.string(), description: z.string(), license: z.string() });

/** What package.json says of this program. */
export function readPackage(): z.output<typeof packageSchema> {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return packageSchema.parse(JSON.parse(text));
}
