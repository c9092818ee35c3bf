import { loadConfig } from "../../config/load.ts";
import { type ExportedUser, exportUsers, findGroupWith } from "../../db/queries/export-users.ts";
import { ExitError } from "../exit.ts";
import { openMigratedDatabase } from "../open-database.ts";
import { findConfig } from "../options.ts";
import { csvRow, GROUP_SEPARATOR } from "./csv.ts";
import { FIELDS, type FormatName } from "./format.ts";

/** How users are written. */
export interface ExportOptions {
  readonly config?: string;
  readonly format: FormatName;
  readonly withHashes?: true;
}

/** What a spreadsheet takes for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/** Writes all users to stdout, as fast as they are taken there. */
export async function exportUsersTo({ config, format, withHashes }: ExportOptions): Promise<void> {
  const { db } = loadConfig(findConfig(config), { keys: false });
  await using database = await openMigratedDatabase(db);
  const fields = FIELDS.filter((field) => field !== "password_hash" || withHashes === true);
  const isCsv = format === "csv";
  if (isCsv) {
    const group = await findGroupWith(database, GROUP_SEPARATOR);
    if (group !== undefined)
      throw new ExitError(
        1,
        `a group has ${GROUP_SEPARATOR} in its name, which CSV cannot hold: give --format jsonl`,
      );
  }
  const write = createWriter();
  let count = 0;
  let formulas = 0;
  if (isCsv) await write(csvRow(fields));
  for await (const users of exportUsers(database, { withHashes: withHashes === true })) {
    count += users.length;
    formulas += users.filter(
      ({ username, email }) => FORMULA.test(username) || FORMULA.test(email ?? ""),
    ).length;
    await write(users.map((user) => (isCsv ? toCsv(user, fields) : toJson(user, fields))).join(""));
  }
  process.stderr.write(`users: ${count}\n`);
  if (isCsv && formulas > 0)
    process.stderr.write(
      `${formulas} of them have a name or an address that begins like a formula: import the file into a spreadsheet as text\n`,
    );
}

type Field = (typeof FIELDS)[number];

function toCsv(user: ExportedUser, fields: readonly Field[]): string {
  return csvRow(
    fields.map((field) => {
      const value = user[field];
      if (Array.isArray(value)) return value.join(GROUP_SEPARATOR);
      const text = value instanceof Date ? value.toISOString() : String(value ?? "");
      if (/[\r\n]/.test(text))
        throw new ExitError(1, `the ${field} of a user has a line break in it: give --format jsonl`);
      return text;
    }),
  );
}

function toJson(user: ExportedUser, fields: readonly Field[]): string {
  return `${JSON.stringify(Object.fromEntries(fields.map((field) => [field, user[field]])))}\n`;
}

/** Writes to stdout and waits until it is taken; ends the command where it is not, in silence where nobody reads. */
function createWriter(): (text: string) => Promise<void> {
  return (text) =>
    new Promise((resolve, reject) => {
      process.stdout.write(text, (error) => (error ? reject(new ExitError(1)) : resolve()));
    });
}
