import { readFileSync } from "node:fs";
import { z } from "zod";

const packageSchema = z.object({ version: z.string(), description: z.string(), license: z.string() });

/** Reads package.json of authmq. */
export function readPackage(): z.output<typeof packageSchema> {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return packageSchema.parse(JSON.parse(text));
}
