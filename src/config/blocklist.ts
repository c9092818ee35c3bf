import { readFileSync } from "node:fs";
import { messageOf } from "../errors.ts";
import { BadSetting } from "./fault.ts";

/** A password in the form in which it is compared with a list or a name: case and width of its letters do not matter. */
export function foldPassword(password: string): string {
  return password.normalize("NFKC").toLowerCase();
}

/** The passwords of a file, one a line, folded; throws BadSetting when it cannot be read. */
export function readBlocklist(path: string): ReadonlySet<string> {
  try {
    const lines = readFileSync(path, "utf8").split(/\r?\n/);
    return new Set(lines.filter((line) => line !== "").map(foldPassword));
  } catch (error) {
    throw new BadSetting(`cannot be read: ${messageOf(error)}`);
  }
}
