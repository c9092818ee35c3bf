import { readFileSync } from "node:fs";

/** Clock ticks of a second in /proc, on every Linux that Node runs on. */
const TICKS = 100;

/** The processor time that some processes with all their threads have used, in seconds; undefined where that cannot be told. */
export function cpuOf(...pids: readonly (number | undefined)[]): number | undefined {
  let seconds = 0;
  for (const pid of pids) {
    const text = pid === undefined ? undefined : read(`/proc/${pid}/stat`);
    // Behind the command's name, which may hold spaces and parentheses: user and system time are the 12th and 13th.
    const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
    if (fields === undefined) return undefined;
    seconds += (Number(fields[11]) + Number(fields[12])) / TICKS;
  }
  return seconds;
}

/** The memory that a process has in use now, in MB; undefined where that cannot be told. */
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
