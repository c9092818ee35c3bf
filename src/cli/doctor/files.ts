import { statSync } from "node:fs";
import type { Finding, findingsOn } from "./finding.ts";

/** Warns of each file that others than its owner may read or write; a file that is not there is no finding. */
export function fileFindings(on: ReturnType<typeof findingsOn>, files: readonly string[]): Finding[] {
  return files.flatMap((file) => {
    const mode = (statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o777;
    if ((mode & 0o077) === 0) return [];
    const msg = `${file} is open to others than its owner (mode ${mode.toString(8)})`;
    return [on.warn(msg, `Make the worker's user its owner, and close it: chmod 600 ${file}`)];
  });
}
