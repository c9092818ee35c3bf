import { readFileSync } from "node:fs";

/**
 * What tells a process from a later one that got the same number. Empty for a process that has ended (a zombie,
 * too: where the first process of a container is slow to collect them, they stay), and where there is no /proc.
 */
export function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses and may hold blanks; the state is field 3, the start 22.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? "" : (fields[18] ?? "");
  } catch {
    return "";
  }
}

/** True as long as the process that had `start` as its start time runs; where that is unknown the number counts. */
export function isRunning(pid: number, start: string): boolean {
  if (start !== "") return startTime(pid) === start;
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Sends a signal to the whole group that `pid` leads, unless another process has taken over the number. */
export function signalGroup(pid: number, start: string, signal: NodeJS.Signals): void {
  const now = startTime(pid);
  if (now !== "" && now !== start) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nothing of the group is left.
  }
}
