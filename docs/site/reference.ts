/** Writes the tables of docs/configuration.md from the schema; with --check it only says whether they are up to date. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { settingTables, withTables } from "./settings.ts";

const file = join(import.meta.dirname, "../configuration.md");
const text = readFileSync(file, "utf8");
const current = withTables(text, settingTables());

if (current !== text && process.argv.includes("--check")) {
  process.stderr.write('not up to date: docs/configuration.md; "make schemas" writes it\n');
  process.exitCode = 1;
} else if (current !== text) {
  writeFileSync(file, current);
  process.stdout.write("docs/configuration.md\n");
}
