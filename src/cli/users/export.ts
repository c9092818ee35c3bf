import { stringify } from "csv-stringify/sync";
import { loadConfig } from "../../config/load.ts";
import { type ExportedUser, exportUsers, findGroupWith } from "../../db/queries/export-users.ts";
import { ExitError } from "../exit.ts";
import { openMigratedDatabase } from "../open-database.ts";
import { findConfig } from "../options.ts";
import { GROUP_SEPARATOR } from "./csv.ts";
import { FIELDS, type FormatName } from "./format.ts";

/** How users are written. */
export interface ExportOptions {
  readonly config?: string;
  readonly format: FormatName;
  readonly withHashes?: boolean;
}

/** What a spreadsheet takes for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/** Writes all users to stdout, as fast as they are read there. */
export async function exportUsersTo({ config, format, withHashes = false }: ExportOptions): Promise<void> {
  const { db } = loadConfig(findConfig(config), { keys: false });
  await using database = await openMigratedDatabase(db);
  const columns = FIELDS.filter((field) => field !== "password_hash" || withHashes);
  const isCsv = format === "csv";
  if (isCsv && (await findGroupWith(database, GROUP_SEPARATOR)) !== undefined)
    throw new ExitError(
      1,
      `a group has ${GROUP_SEPARATOR} in its name, which CSV cannot hold: give --format jsonl`,
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
      `${formulas} of them have a name or an address that begins like a formula: import the file into a spreadsheet as text\n`,
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
        throw new ExitError(1, `the ${column} of a user has a line break in it: give --format jsonl`);
      },
    },
  });
}

function toJsonLines(users: readonly ExportedUser[], columns: string[]): string {
  return users.map((user) => `${JSON.stringify(user, columns)}\n`).join("");
}

/** Waits until stdout has taken the text; ends the command if it cannot, in silence if nobody reads. */
function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(new ExitError(1)) : resolve()));
  });
}
