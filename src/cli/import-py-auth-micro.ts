import { Command, Option } from "commander";
import { ExitError } from "./exit.ts";
import { configOption } from "./options.ts";
import { copyDatabase } from "./py-auth-micro/import.ts";
import { writeNewConfig } from "./py-auth-micro/write-config.ts";

interface Options {
  readonly from: string;
  readonly config?: string;
  readonly dryRun?: boolean;
  readonly writeConfig?: string;
  readonly database?: string;
  readonly mixed?: boolean;
}

/** `authmq import-py-auth-micro`. */
export function importPyAuthMicroCommand(): Command {
  return new Command("import-py-auth-micro")
    .description(
      "copy users, groups and memberships from a database of py_auth_micro, or translate its configuration",
    )
    .addOption(new Option("--from <file>", "configuration file of py_auth_micro").makeOptionMandatory())
    .addOption(configOption())
    .option("--dry-run", "check every row and report the result, without writing")
    .option("--write-config <dir>", "import nothing: write a configuration for authmq to this folder")
    .option(
      "--database <name>",
      "with --write-config: use this database on the server of py_auth_micro, instead of SQLite",
    )
    .option("--mixed", "with --write-config: set the options for running beside services of py_auth_micro")
    .addHelpText(
      "after",
      `
Reads the old database only (SELECT on its tables suffices), and writes to the database of --config. Safe to interrupt
and to run again: a later run adds what is new, changes no account, and restores nothing that was deleted here.
Every row that is not imported is on stderr with the reason; the totals are on stdout.

Examples:
  $ authmq import-py-auth-micro --from old.json --write-config /etc/authmq --mixed
  $ authmq import-py-auth-micro --from old.json --config /etc/authmq/config.json --dry-run
  $ authmq import-py-auth-micro --from old.json --config /etc/authmq/config.json`,
    )
    .action(async ({ writeConfig: folder, database, mixed = false, ...copy }: Options) => {
      if (folder !== undefined) {
        if (copy.dryRun === true || copy.config !== undefined)
          throw new ExitError(2, "--write-config imports nothing: remove --config and --dry-run");
        return writeNewConfig({ from: copy.from, folder, database, isMixed: mixed });
      }
      if (database !== undefined || mixed)
        throw new ExitError(2, "--database and --mixed are for --write-config: add it, or remove them");
      return copyDatabase(copy);
    });
}
