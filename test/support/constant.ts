import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

/** Reads a numeric constant of a source file that does not export it. */
export function constantIn(file: string, name: string): number {
  const text = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
  const digits = new RegExp(`^const ${name} = ([\\d_]+);`, "m").exec(text)?.[1];
  assert.ok(digits !== undefined, `${name} in ${file}`);
  return Number(digits.replaceAll("_", ""));
}
