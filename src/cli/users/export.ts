import { stringify } from "csv-stringify/sync";
import { loadConfig } from "../../config/load.ts";
import { type ExportedUser, exportUsers, findGroupWith } from "../../db/queries/export-users.ts";
import { ExitError } from "../exit.ts";
import { openMigratedDatabase } from "../open-database.ts";
import { findConfig } from "../options.ts";
import { GROUP_SEPARATOR } from "./csv.ts";
import { FIELDS, type FormatName } from "./format.ts";

/** Options of an export. */
export interface ExportOptions {
  readonly config?: string;
  readonly format: FormatName;
  readonly withHashes?: boolean;
}

/** Spreadsheets read such a cell as a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/** Writes all users to stdout, no faster than the reader reads. */
export async function exportUsersTo({ config, format, withHashes = false }: ExportOptions): Promise<void> {
  const { db } = loadConfig(findConfig(config), { keys: false });
  await using database = await openMigratedDatabase(db);
  const columns = FIELDS.filter((field) => field !== "password_hash" || withHashes);
  const isCsv = format === "csv";
  if (isCsv && (await findGroupWith(database, GROUP_SEPARATOR)) !== undefined)
    throw new ExitError(
      1,
      `a group name contains ${GROUP_SEPARATOR}, which separates groups in CSV: use --format jsonl`,
    );
  let count = 0;
  let formulas = 0;
  for await (const users of exportUsers(database, { withHashes })) {
    await write(isCsv ? toCsv(users, columns, count === 0) : toJsonLines(users, columns));
    count += users.length;
    formulas += users.filter(({ username, email }) =>
      [username, email ?? ""].some((text) => FORMULA.test(text)),
    ).length;
  }
  process.stderr.write(`users: ${count}\n`);
  if (isCsv && formulas > 0)
    process.stderr.write(
      `${formulas} of them have a username or email address that a spreadsheet reads as a formula: import the file as text\n`,
    );
}

function toCsv(users: readonly ExportedUser[], columns: string[], header: boolean): string {
  const records = users.map((user) => ({ ...user, groups: user.groups.join(GROUP_SEPARATOR) }));
  return stringify(records, {
    columns,
    header,
    cast: {
      boolean: String,
      date: (time) => time.toISOString(),
      string: (text, { column }) => {
        if (!/[\r\n]/.test(text)) return text;
        throw new ExitError(1, `the ${column} of a user contains a line break: use --format jsonl`);
      },
    },
  });
}

function toJsonLines(users: readonly ExportedUser[], columns: string[]): string {
  return users.map((user) => `${JSON.stringify(user, columns)}\n`).join("");
}

/** Waits until the text is written to stdout. On an error it ends the command; `guardOutput` reports it. */
function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(new ExitError(1)) : resolve()));
  });
}
