import type { Readable } from "node:stream";
import { textsOf } from "./check-reply.ts";

/** The pino level `error`. */
const ERROR = 50;

/** A worker's stderr, by line. */
export interface WorkerLog {
  /** The lines since the last call: all texts in them, and lines that are errors. */
  take(): { readonly texts: readonly string[]; readonly problems: readonly string[] };
  /** Resolves at the first line that contains this text; rejects with the last lines when the stream ends. */
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
      const current = lines;
      lines = [];
      return { texts: current.flatMap(textsOf), problems: current.flatMap(errorOf) };
    },
    waitFor(text) {
      const waiter = Promise.withResolvers<void>();
      waiting.set(text, waiter);
      return waiter.promise.finally(() => waiting.delete(text));
    },
  };
}

function errorOf(line: string): string[] {
  try {
    const { level } = JSON.parse(line) as { level?: unknown };
    return typeof level !== "number" || level >= ERROR ? [line] : [];
  } catch {
    return [`not JSON: ${line}`];
  }
}
