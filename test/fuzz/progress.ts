import type { FuzzCounts } from "./counts.ts";

/** A line every so many milliseconds where nobody looks on, and one that is written anew where somebody does. */
const ON_A_PIPE = 5000;
const ON_A_TERMINAL = 200;

/** Tells a person on stderr how far a run has come. */
export interface Progress extends Disposable {
  /** Something to be read; the line goes on below it. */
  say(text: string): void;
  end(): void;
}

/** Starts to tell. */
export function startProgress(counts: FuzzCounts, seconds: number): Progress {
  const { stderr } = process;
  const since = Date.now();
  const line = (): string => {
    const gone = (Date.now() - since) / 1000;
    const rate = gone === 0 ? 0 : Math.round(counts.inputs / gone);
    const inputs = counts.inputs.toLocaleString("en");
    return `${gone.toFixed(0)} of ${seconds} s, ${inputs} inputs, ${rate}/s, ${counts.findings} findings`;
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
