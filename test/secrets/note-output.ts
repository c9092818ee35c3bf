import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { PassThrough, pipeline, type Readable } from "node:stream";
import { noteMessage, noteWritten } from "./notes.ts";

/** The output of these commands is what was asked for: a reply with a token, a key, or hashes. */
const GIVES_SECRETS = /\bcall (?:login|token)\b|\bkeys generate\b|\busers export\b.* --with-hashes\b/;

/** Notes the arguments of an authmq process, and what it writes, which its reader gets as before. */
export function noteOutput(
  child: ChildProcessWithoutNullStreams,
  args: readonly string[],
): ChildProcessWithoutNullStreams {
  for (const arg of args) noteMessage(arg);
  const isMeant = GIVES_SECRETS.test(args.join(" "));
  child.stdout = noted(child.stdout, (chunk) =>
    isMeant ? noteMessage(chunk) : noteWritten("stdout of authmq", chunk),
  );
  child.stderr = noted(child.stderr, (chunk) => noteWritten("stderr of authmq", chunk));
  return child;
}

function noted(stream: Readable, note: (chunk: Buffer) => void): Readable {
  stream.on("data", note);
  // A reader that goes away ends the source as well: the process must notice.
  return pipeline(stream, new PassThrough(), () => undefined);
}
