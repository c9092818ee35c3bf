import { Command, Option } from "commander";
import { configOption } from "./options.ts";
import { type ExportOptions, exportUsersTo } from "./users/export.ts";
import { formatOption } from "./users/format.ts";
import { type ImportOptions, importUsersOf } from "./users/import.ts";

/** `authmq users import` and `authmq users export`. */
export function usersCommand(): Command {
  return new Command("users")
    .description("move users in and out")
    .addCommand(importCommand())
    .addCommand(exportCommand());
}

function importCommand(): Command {
  return new Command("import")
    .description("take users in from a file, straight into the database")
    .argument("<file>", "CSV or JSON lines, - for stdin")
    .addOption(formatOption("how they are written (default: by the end of the file's name, .csv or .jsonl)"))
    .addOption(configOption())
    .option("--dry-run", "say what would become of each line, and write nothing")
    .addOption(
      new Option(
        "--on-conflict <way>",
        "an account that is there with other content is refused, left, or changed",
      )
        .choices(["fail", "skip", "update"])
        .default("fail"),
    )
    .option("--create-groups", "make groups that are missing")
    .option("--allow-admins", "take members of the admin group, and change those that are there")
    .option("--strict", "end at the first line that is refused")
    .option(
      "--rejects <file>",
      "write refused lines there, each with the reason, to be mended and read again",
    )
    .addHelpText(
      "after",
      `
Fields of a user: username, email, password_hash (bcrypt or argon2id), auth_type (LOCAL, LDAP or KERBEROS),
activated (true or false, 1 or 0), groups (a list; in CSV one cell, with ; in between), created_at. Only username and
email must be there. Safe to interrupt and to run again: who is in is found unchanged.

Examples:
  $ authmq users import users.csv --dry-run
  $ authmq users import users.csv --create-groups --rejects refused.csv
  $ authmq users import - --format jsonl --on-conflict skip < users.jsonl`,
    )
    .action((file: string, options: ImportOptions) => importUsersOf(file, options));
}

function exportCommand(): Command {
  return new Command("export")
    .description("write all users to stdout")
    .addOption(formatOption("how they are written").default("csv"))
    .addOption(configOption())
    .option("--with-hashes", "with the hashes of their passwords, as a move to another installation needs it")
    .addHelpText(
      "after",
      `
Examples:
  $ authmq users export > users.csv
  $ (umask 077; authmq users export --format jsonl --with-hashes > users.jsonl)`,
    )
    .action((options: ExportOptions) => exportUsersTo(options));
}
