import { execFileSync } from "node:child_process";
import { dirname } from "node:path";

/** Runs npm in a folder and returns its output; throws if it fails. It may use the package registry. */
export function runNpm(args: readonly string[], cwd: string): string {
  // Node 24 comes first, as on a reader's machine.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}` };
  return execFileSync("npm", args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
