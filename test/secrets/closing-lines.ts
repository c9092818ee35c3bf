import type { Readable, Writable } from "node:stream";

/** The beginning of the summary of node's test runner, with or without colours: `ℹ tests 12`. */
const SUMMARY = /^(?:\x1b\[\d+m)*(?:ℹ|#) tests \d+/;

/**
 * Forwards the test runner's output immediately, except its summary; resolves with the summary when the output has
 * ended. A test that runs a test runner prints a summary too: only the last one is held back.
 */
export async function passOn(from: Readable, to: Writable): Promise<string> {
  let line = "";
  let held: string | undefined;
  const take = (complete: string): void => {
    if (SUMMARY.test(complete)) {
      if (held !== undefined) to.write(held);
      held = complete;
    } else if (held !== undefined) held += complete;
    else to.write(complete);
  };
  from.setEncoding("utf8");
  for await (const chunk of from as AsyncIterable<string>) {
    const lines = (line + chunk).split(/(?<=\n)/);
    line = lines.at(-1)?.endsWith("\n") === false ? (lines.pop() ?? "") : "";
    for (const complete of lines) take(complete);
  }
  if (line !== "") take(line);
  return held ?? "";
}
