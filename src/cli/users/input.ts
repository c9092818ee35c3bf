import { accessSync, constants, createReadStream, statSync } from "node:fs";
import { addAbortSignal } from "node:stream";
import { messageOf } from "../../errors.ts";
import { ExitError } from "../exit.ts";

/** Size of a file in bytes; undefined for stdin and pipes. Throws ExitError (2) if the file cannot be read. */
export function sizeOf(file: string): number | undefined {
  if (file === "-") return undefined;
  try {
    accessSync(file, constants.R_OK);
    const facts = statSync(file);
    if (facts.isDirectory()) throw new Error("it is a directory");
    return facts.isFile() ? facts.size : undefined;
  } catch (error) {
    throw new ExitError(2, `cannot read ${file}: ${messageOf(error)}`);
  }
}

/** Streams a file, or stdin for `-`; the abort makes it throw an AbortError. */
export function openInput(file: string, signal: AbortSignal) {
  return addAbortSignal(signal, file === "-" ? process.stdin : createReadStream(file));
}
