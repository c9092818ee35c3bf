import type { Db } from "./database.ts";
import type { TableColumns } from "./expected-tables.ts";
import type { MemberColumns } from "./queries/py-auth-micro.ts";
import { readReferences, readTables, type Reference } from "./queries/tables.ts";

/** The columns that py_auth_micro creates. `usergroup` has the same two, whichever of them refers to the user. */
const COLUMNS = {
  user: ["username", "password_hash", "auth_type", "email", "activated", "created_at"],
  group: ["name"],
  usergroup: ["name", "username"],
};

/** Whether these are the tables of py_auth_micro. */
export function isPyAuthMicro(tables: TableColumns): boolean {
  return missingColumns(tables).length === 0 && tables.get("usergroup")?.has("groupname") !== true;
}

/**
 * The columns of `usergroup` in a database of py_auth_micro, by its foreign keys; or in one sentence why it cannot be
 * read, and what to do. The columns have swapped names, except where somebody created the tables by hand.
 */
export async function findMemberColumns(db: Db, database: string): Promise<MemberColumns | string> {
  const tables = await readTables(db);
  if (tables.get("usergroup")?.has("groupname") === true)
    return `the database ${database} belongs to authmq, not to py_auth_micro: to copy it, use authmq users export and import`;
  const missing = missingColumns(tables);
  if (missing.length > 0)
    return (
      `the database ${database} is not one of py_auth_micro: ${missing.join(", ")} ` +
      `${missing.length === 1 ? "is" : "are"} missing. Check db_settings of py_auth_micro, and that its user may read these tables`
    );
  return columnsOf(await readReferences(db)) ?? withoutForeignKeys(database);
}

function missingColumns(tables: TableColumns): string[] {
  return Object.entries(COLUMNS).flatMap(([table, columns]) => {
    const found = tables.get(table);
    if (found === undefined) return [`the table ${table}`];
    return columns.filter((column) => !found.has(column)).map((column) => `the column ${table}.${column}`);
  });
}

function columnsOf(references: readonly Reference[]): MemberColumns | undefined {
  const columnTo = (to: string, toColumn: string): string | undefined =>
    references.find((one) => one.from === "usergroup" && one.to === to && one.toColumn === toColumn)?.column;
  const [user, group] = [columnTo("user", "username"), columnTo("group", "name")];
  return user === undefined || group === undefined || user === group ? undefined : { user, group };
}

function withoutForeignKeys(database: string): string {
  return (
    `the table usergroup of ${database} lacks foreign keys to user and group, so it is not known which column has the ` +
    "usernames: py_auth_micro swaps their names. Look at the rows. If the column name has the usernames, run on a copy " +
    "of the database: ALTER TABLE usergroup ADD FOREIGN KEY (name) REFERENCES user (username), ADD FOREIGN KEY " +
    "(username) REFERENCES `group` (name). If it has the groups, exchange the two columns in this statement"
  );
}
