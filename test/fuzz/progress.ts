import type { FuzzCounts } from "./counts.ts";

/** Interval of progress lines in milliseconds; on a terminal, one line is updated. */
const ON_A_PIPE = 5000;
const ON_A_TERMINAL = 200;

/** Shows the progress of a run on stderr. */
export interface Progress extends Disposable {
  /** Prints a message above the progress line. */
  say(text: string): void;
  end(): void;
}

/** Starts to show progress. */
export function startProgress(counts: FuzzCounts, seconds: number): Progress {
  const { stderr } = process;
  const since = Date.now();
  const line = (): string => {
    const elapsed = (Date.now() - since) / 1000;
    const rate = elapsed === 0 ? 0 : Math.round(counts.inputs / elapsed);
    const inputs = counts.inputs.toLocaleString("en");
    return `${elapsed.toFixed(0)} of ${seconds} s, ${inputs} inputs, ${rate}/s, ${counts.findings} findings`;
  };
  const write = (): void => void stderr.write(stderr.isTTY ? `\r\x1b[K${line()}` : `${line()}\n`);
  const timer = setInterval(write, stderr.isTTY ? ON_A_TERMINAL : ON_A_PIPE);
  let isOver = false;
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    clearInterval(timer);
    stderr.write(stderr.isTTY ? "\r\x1b[K" : `${line()}\n`);
  };
  return {
    say: (text) => void stderr.write(`${stderr.isTTY ? "\r\x1b[K" : ""}${text}\n`),
    end,
    [Symbol.dispose]: end,
  };
}
