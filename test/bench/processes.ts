import { readFileSync } from "node:fs";

/** Clock ticks per second in /proc, on every Linux that Node supports. */
const TICKS = 100;

/** CPU time of processes with all their threads, in seconds; undefined if unknown. */
export function cpuOf(...pids: readonly (number | undefined)[]): number | undefined {
  let seconds = 0;
  for (const pid of pids) {
    const text = pid === undefined ? undefined : read(`/proc/${pid}/stat`);
    // After the command's name, which may contain spaces and parentheses, user and system time are fields 12 and 13.
    const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
    if (fields === undefined) return undefined;
    seconds += (Number(fields[11]) + Number(fields[12])) / TICKS;
  }
  return seconds;
}

/** Resident memory of a process, in MB; undefined if unknown. */
export function rssOf(pid: number): number | undefined {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
