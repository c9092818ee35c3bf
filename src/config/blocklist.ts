import { readFileSync } from "node:fs";
import { messageOf } from "../errors.ts";
import { BadSetting } from "./fault.ts";

/** Normalizes a password for a comparison with a blocklist or username that ignores case and letter width. */
export function foldPassword(password: string): string {
  return password.normalize("NFKC").toLowerCase();
}

/** Reads a file with one password per line, folded; throws BadSetting if it cannot be read. */
export function readBlocklist(path: string): ReadonlySet<string> {
  try {
    const lines = readFileSync(path, "utf8").split(/\r?\n/);
    return new Set(lines.filter((line) => line !== "").map(foldPassword));
  } catch (error) {
    throw new BadSetting(`cannot be read: ${messageOf(error)}`);
  }
}
