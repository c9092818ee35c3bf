import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Load } from "./load.ts";

/** A program of this folder in its own process, which runs a measurement for every task on its stdin. */
export interface Loop<Task> extends AsyncDisposable {
  readonly pid: number;
  /** Runs a task and returns its measurement; rejects if the program ended. */
  run(task: Task): Promise<Load>;
}

/** Starts a program with its options as JSON on its command line. */
export function startLoop<Task>(script: string, options: object): Loop<Task> {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [file, JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid ?? 0,
    async run(task) {
      child.stdin.write(`${JSON.stringify(task)}\n`);
      const { value } = await lines.next();
      if (value === undefined) throw new Error(`${script} ended`);
      return JSON.parse(value) as Load;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.stdin.end();
      await exited;
    },
  };
}

/** Runs in the program: measures every task on stdin, until stdin ends. */
export async function serveTasks(measure: (task: unknown) => Promise<Load>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin }))
    process.stdout.write(`${JSON.stringify(await measure(JSON.parse(line)))}\n`);
}
