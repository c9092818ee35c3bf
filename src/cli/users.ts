import { Command, Option } from "commander";
import { configOption } from "./options.ts";
import { type ExportOptions, exportUsersTo } from "./users/export.ts";
import { formatOption } from "./users/format.ts";
import { type ImportOptions, importUsersOf } from "./users/import.ts";
import { type ResetOptions, resetFactorsOf } from "./users/reset-factors.ts";

/** `authmq users import`, `export` and `reset-factors`. */
export function usersCommand(): Command {
  return new Command("users")
    .description("import and export users, and remove their second factors")
    .addCommand(importCommand())
    .addCommand(exportCommand())
    .addCommand(resetFactorsCommand());
}

function importCommand(): Command {
  return new Command("import")
    .description("import users from a file directly into the database")
    .argument("<file>", "CSV or JSON Lines file, or - for stdin")
    .addOption(formatOption("file format (default: from the file name, .csv or .jsonl)"))
    .addOption(configOption())
    .option("--dry-run", "check every line and report the result, without changing the database")
    .addOption(
      new Option(
        "--on-conflict <way>",
        "if an account exists and differs: refuse the line, skip it, or update the account",
      )
        .choices(["fail", "skip", "update"])
        .default("fail"),
    )
    .option("--create-groups", "create missing groups")
    .option("--allow-admins", "import members of the admin group, and update existing administrators")
    .option("--strict", "stop at the first refused line")
    .option(
      "--rejects <file>",
      "write refused lines with their reasons to this file, to correct and import them again",
    )
    .addHelpText(
      "after",
      `
Fields of a user: username, email, password_hash (bcrypt or argon2id), auth_type (LOCAL, LDAP, KERBEROS or
SERVICE), activated (true or false, 1 or 0), groups (a list; in CSV one cell, separated by ;), created_at,
email_verified_at. Only username and email are required, and for SERVICE and LDAP only username.
Safe to interrupt and to run again: users that are already imported count as unchanged.

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
    .addOption(formatOption("file format").default("csv"))
    .addOption(configOption())
    .option("--with-hashes", "include password hashes, to move users to another installation")
    .addHelpText(
      "after",
      `
Examples:
  $ authmq users export > users.csv
  $ (umask 077; authmq users export --format jsonl --with-hashes > users.jsonl)`,
    )
    .action((options: ExportOptions) => exportUsersTo(options));
}

function resetFactorsCommand(): Command {
  return new Command("reset-factors")
    .description("remove all second factors of an account, recovery codes included")
    .argument("<username>", "name of the account")
    .addOption(configOption())
    .addHelpText(
      "after",
      `
For somebody who has lost the phone and the recovery codes: make sure that it is this person who asks. The next login
needs the password alone, or enrols a new factor where one is required. Sessions stay alive. Prints what it removed.

Example:
  $ authmq users reset-factors alice`,
    )
    .action((username: string, options: ResetOptions) => resetFactorsOf(username, options));
}
