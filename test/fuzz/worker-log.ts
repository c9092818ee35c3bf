import type { Readable } from "node:stream";
import { textsOf } from "./check-reply.ts";

/** A level of pino that says that something is broken. */
const ERROR = 50;

/** What a worker writes on stderr, line by line. */
export interface WorkerLog {
  /** The lines since the last call, all texts in each, and what is wrong with a line itself. */
  take(): { readonly texts: readonly string[]; readonly faults: readonly string[] };
  /** Resolves with the first line that has this text in it; rejects with what was written when the stream ends. */
  waitFor(text: string): Promise<void>;
}

/** Reads a worker's stderr from now on. */
export function readLog(stream: Readable): WorkerLog {
  let rest = "";
  let lines: string[] = [];
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
    for (const [text, { resolve }] of waiting) if (parts.some((line) => line.includes(text))) resolve();
  });
  stream.on("end", () => {
    if (rest !== "") lines.push(rest);
    const last = lines.slice(-20).join("\n");
    for (const { reject } of waiting.values()) reject(new Error(`the worker has ended:\n${last}`));
  });
  return {
    take() {
      const taken = lines;
      lines = [];
      return { texts: taken.flatMap(textsOf), faults: taken.flatMap(faultOf) };
    },
    waitFor(text) {
      const waiter = Promise.withResolvers<void>();
      waiting.set(text, waiter);
      return waiter.promise.finally(() => waiting.delete(text));
    },
  };
}

function faultOf(line: string): string[] {
  try {
    const { level } = JSON.parse(line) as { level?: unknown };
    return typeof level !== "number" || level >= ERROR ? [line] : [];
  } catch {
    return [`no JSON: ${line}`];
  }
}
