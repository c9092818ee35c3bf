import { SingleBar } from "cli-progress";

/** Shows the progress of an import. */
export interface Progress extends Disposable {
  /** `done` counts in the unit of the total: bytes of a file, or rows of a table. */
  update(done: number, record: number, refused: number): void;
}

/** What the bar calls a record, and one that is not imported. */
interface Words {
  readonly record: string;
  readonly refused: string;
}

/** A progress bar on stderr; nothing if stderr is no terminal or the total is unknown. */
export function createProgress(
  total: number | undefined,
  { record, refused }: Words = { record: "line", refused: "refused" },
): Progress {
  if (total === undefined || !process.stderr.isTTY)
    return { update: () => undefined, [Symbol.dispose]: () => undefined };
  const bar = new SingleBar({
    format: `{bar} {percentage} % | ${record} {record} | {refused} ${refused} | {eta_formatted} left`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  });
  bar.start(total, 0, { record: 0, refused: 0 });
  return {
    update: (done, at, count) => bar.update(done, { record: at, refused: count }),
    [Symbol.dispose]: () => bar.stop(),
  };
}
