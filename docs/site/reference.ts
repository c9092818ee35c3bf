/**
 * Writes the tables of docs/configuration.md and docs/protocol.md from the code; with --check it only says whether they are
 * up to date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { settingTables, withTables } from "./settings.ts";
import { stepTables } from "./steps.ts";

const TABLES = { "configuration.md": settingTables(), "protocol.md": stepTables() };

for (const [name, tables] of Object.entries(TABLES)) {
  const file = join(import.meta.dirname, "..", name);
  const text = readFileSync(file, "utf8");
  const current = withTables(text, tables);
  if (current === text) continue;
  if (process.argv.includes("--check")) {
    process.stderr.write(`not up to date: docs/${name}; "make schemas" writes it\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(file, current);
    process.stdout.write(`docs/${name}\n`);
  }
}
