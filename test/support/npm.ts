import { execFileSync } from "node:child_process";
import { dirname } from "node:path";

/** Runs npm, which may ask the package registry, in a folder; gives what it prints, throws where it fails. */
export function runNpm(args: readonly string[], cwd: string): string {
  // Node 24 first, as on a reader's machine.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}` };
  return execFileSync("npm", args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
