import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { PassThrough, pipeline, type Readable } from "node:stream";
import { noteMessage, noteSecret, noteWritten } from "./notes.ts";

/** Commands whose output contains secrets by design: replies with a token or an API key, keys, or hashes. */
const PRINTS_SECRETS =
  /\bcall (?:login|token|api_key_create)\b|\bapi-key create\b|\bkeys generate\b|\busers export\b.* --with-hashes\b/;

/** An API key alone, as `authmq api-key create` prints it. */
const API_KEY = /^authmq_[0-9A-Za-z]+_[0-9A-Za-z]+$/gm;

/** Records the arguments and the output of an authmq process; its streams can still be read. */
export function noteOutput(
  child: ChildProcessWithoutNullStreams,
  args: readonly string[],
): ChildProcessWithoutNullStreams {
  for (const arg of args) noteMessage(arg);
  const isExpected = PRINTS_SECRETS.test(args.join(" "));
  child.stdout = noted(child.stdout, (chunk) =>
    isExpected ? noteRequested(chunk) : noteWritten("stdout of authmq", chunk),
  );
  child.stderr = noted(child.stderr, (chunk) => noteWritten("stderr of authmq", chunk));
  return child;
}

function noteRequested(chunk: Buffer): void {
  noteMessage(chunk);
  for (const [key] of chunk.toString().matchAll(API_KEY)) noteSecret("token", key);
}

function noted(stream: Readable, note: (chunk: Buffer) => void): Readable {
  stream.on("data", note);
  // Closing the returned stream also closes the source, so that the process notices.
  return pipeline(stream, new PassThrough(), () => undefined);
}
