import { SingleBar } from "cli-progress";

/** Shows the progress of reading a file. */
export interface Progress extends Disposable {
  update(bytes: number, line: number, refused: number): void;
}

/** A progress bar on stderr; nothing if stderr is no terminal or the size is unknown. */
export function createProgress(bytes: number | undefined): Progress {
  if (bytes === undefined || !process.stderr.isTTY)
    return { update: () => undefined, [Symbol.dispose]: () => undefined };
  const bar = new SingleBar({
    format: "{bar} {percentage} % | line {line} | {refused} refused | {eta_formatted} left",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  });
  bar.start(bytes, 0, { line: 0, refused: 0 });
  return {
    update: (done, line, refused) => bar.update(done, { line, refused }),
    [Symbol.dispose]: () => bar.stop(),
  };
}
