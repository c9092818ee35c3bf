import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Command } from "commander";
import { generateSchemas } from "../schemas.ts";
import { ExitError } from "./exit.ts";

/** `authmq schemas`. */
export function schemasCommand(): Command {
  return new Command("schemas")
    .description(
      "write the AsyncAPI document, the JSON Schemas of requests, replies and configuration, and the SQL of the tables",
    )
    .option("--out <dir>", "folder to write to", "schemas")
    .option("--check", "write nothing; exit with 1 if a file is not up to date")
    .addHelpText("after", "\nExamples:\n  $ authmq schemas\n  $ authmq schemas --check")
    .action(({ out, check }: { out: string; check?: true }) => {
      const files = generateSchemas();
      const stale = globSync("{rpc,sql}/*", { cwd: out }).filter((file) => !files.has(file));
      const changed = [...files].filter(([file, content]) => read(join(out, file)) !== content);
      if (check === true) {
        const names = [...changed.map(([file]) => file), ...stale];
        if (names.length > 0)
          throw new ExitError(1, `not up to date: ${names.join(", ")}; run "authmq schemas" to update them`);
        return;
      }
      for (const file of stale) rmSync(join(out, file));
      for (const [file, content] of changed) {
        mkdirSync(dirname(join(out, file)), { recursive: true });
        writeFileSync(join(out, file), content);
        process.stdout.write(`${join(out, file)}\n`);
      }
    });
}

function read(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
