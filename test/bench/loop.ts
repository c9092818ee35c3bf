import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Load } from "./load.ts";

/** A program of this folder in a process of its own, which measures something for every question on its stdin. */
export interface Loop<Question> extends AsyncDisposable {
  readonly pid: number;
  /** What it measured; rejects when the program ended instead. */
  run(question: Question): Promise<Load>;
}

/** Starts a program with its options, as JSON, on its command line. */
export function startLoop<Question>(script: string, options: object): Loop<Question> {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [file, JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid ?? 0,
    async run(question) {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      const { value } = await lines.next();
      if (value === undefined) throw new Error(`${script} ended`);
      return JSON.parse(value) as Load;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.stdin.end();
      await gone;
    },
  };
}

/** The other side: answers every question on stdin with what was measured, until stdin ends. */
export async function answerQuestions(measure: (question: unknown) => Promise<Load>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin }))
    process.stdout.write(`${JSON.stringify(await measure(JSON.parse(line)))}\n`);
}
