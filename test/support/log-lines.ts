import { waitUntil } from "./servers/scratch.ts";
import type { TestWorker } from "./worker.ts";

/** One line of a worker's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly level: number; readonly msg: string };

/** The lines with this text that a worker has logged so far. */
export function linesOf({ log }: TestWorker, msg: string): LogLine[] {
  return log.map((line) => JSON.parse(line) as LogLine).filter((line) => line.msg === msg);
}

/** The latest line with this text; waits for it, because a line may follow the reply. */
export async function lastLine(worker: TestWorker, msg: string): Promise<LogLine> {
  return waitUntil(`the log line "${msg}"`, () => linesOf(worker, msg).at(-1), { seconds: 5 });
}
