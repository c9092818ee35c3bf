import { readFileSync } from "node:fs";

/**
 * The start time of a process, which distinguishes it from a later process with the same number. Empty for an ended
 * process, for a zombie (a container's first process may collect them late), and without /proc.
 */
export function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Field 2 is the program's name in parentheses, with blanks; field 3 is the state, field 22 the start time.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? "" : (fields[18] ?? "");
  } catch {
    return "";
  }
}

/** Whether the process with this start time still runs; if the start time is unknown, only the number counts. */
export function isRunning(pid: number, start: string): boolean {
  if (start !== "") return startTime(pid) === start;
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Sends a signal to the process group of `pid`, unless another process has the number now. */
export function signalGroup(pid: number, start: string, signal: NodeJS.Signals): void {
  const now = startTime(pid);
  if (now !== "" && now !== start) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has ended.
  }
}
