import { waitUntil } from "./servers/scratch.ts";
import type { TestWorker } from "./worker.ts";

/** One record of a worker's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly level: number; readonly msg: string };

/** The records with this message that a worker has logged so far. */
export function linesOf({ log }: TestWorker, msg: string): LogLine[] {
  return log.map((line) => JSON.parse(line) as LogLine).filter((line) => line.msg === msg);
}

/** The latest record with this message; waits for it, because it may be logged after the reply. */
export async function lastLine(worker: TestWorker, msg: string): Promise<LogLine> {
  return waitUntil(`the log line "${msg}"`, () => linesOf(worker, msg).at(-1), { seconds: 5 });
}
