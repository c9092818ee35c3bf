import { accessSync, constants, createReadStream, statSync } from "node:fs";
import { addAbortSignal } from "node:stream";
import { messageOf } from "../../errors.ts";
import { ExitError } from "../exit.ts";

/** Bytes of a file; undefined if they are not known before the end. Ends the command with 2 if it cannot be read. */
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

/** The bytes of a file, `-` for stdin, until its end or the abort, which throws an AbortError. */
export function openInput(file: string, signal: AbortSignal) {
  return addAbortSignal(signal, file === "-" ? process.stdin : createReadStream(file));
}
