import { readFileSync } from "node:fs";

/** Clock ticks of a second in /proc, on every Linux that Node runs on. */
const TICKS = 100;

/** The processor time that a process with all its threads has used, in seconds; undefined where that cannot be told. */
export function cpuOf(pid: number | undefined): number | undefined {
  const text = pid === undefined ? undefined : read(`/proc/${pid}/stat`);
  // Behind the command's name, which may hold spaces and parentheses: user and system time are the 12th and 13th.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) / TICKS;
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
