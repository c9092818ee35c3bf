/**
 * Ends the processes of a run that died. It runs beside the run in its own session, and reads from stdin what the run
 * has started. If stdin closes without `done`, the run has died (even by SIGKILL): every registered process group gets
 * SIGTERM, then SIGKILL, and the folders are deleted.
 */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { isRunning, signalGroup } from "./process-table.ts";

const GRACE_MS = 3_000;
const KILL_MS = 2_000;

const groups: { pid: number; start: string }[] = [];
const containers: string[] = [];
const folders: string[] = [];
let done = false;

for await (const line of createInterface({ input: process.stdin })) {
  const [word, value = "", start = ""] = line.split("\t");
  if (word === "pid") groups.push({ pid: Number(value), start });
  else if (word === "container") containers.push(value);
  else if (word === "dir") folders.push(value);
  else if (word === "done") done = true;
}
if (!done) await reap();

async function reap(): Promise<void> {
  await signalUntilGone("SIGTERM", GRACE_MS);
  await signalUntilGone("SIGKILL", KILL_MS);
  for (const name of containers) {
    try {
      execFileSync("docker", ["rm", "--force", "--volumes", name], { stdio: "ignore", timeout: 30_000 });
    } catch {
      // The engine itself may be down; the folders must be deleted anyway.
    }
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Waits only for group leaders: SIGKILL follows anyway for the rest of a group. */
async function signalUntilGone(signal: NodeJS.Signals, limitMs: number): Promise<void> {
  const end = Date.now() + limitMs;
  for (const { pid, start } of groups) signalGroup(pid, start, signal);
  while (groups.some(({ pid, start }) => isRunning(pid, start)) && Date.now() < end) await sleep(50);
}
