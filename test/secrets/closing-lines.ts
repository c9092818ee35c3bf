import type { Readable, Writable } from "node:stream";

/** How the closing lines of node's test runner begin, in colours or not: `ℹ tests 12`. */
const CLOSING = /^(?:\x1b\[\d+m)*(?:ℹ|#) tests \d+/;

/**
 * Passes on what the test runner prints, at once, but for its closing lines; resolves to those when the runner's output
 * has ended. They come once more where a test runs a test runner: only the last ones are held back.
 */
export async function passOn(from: Readable, to: Writable): Promise<string> {
  let line = "";
  let held: string | undefined;
  const take = (complete: string): void => {
    if (CLOSING.test(complete)) {
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
