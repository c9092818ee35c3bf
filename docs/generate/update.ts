import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Rewrites a file of the repository if it is not up to date; with --check it only reports the file. */
export function update(path: string, render: (text: string) => string): void {
  const file = join(import.meta.dirname, "../..", path);
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const current = render(text);
  if (current === text) return;
  if (process.argv.includes("--check")) {
    process.stderr.write(`not up to date: ${path}; run "make schemas" to update it\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(file, current);
    process.stdout.write(`${path}\n`);
  }
}
