import { DatabaseSync } from "node:sqlite";
import { MIGRATIONS } from "./migrations/index.ts";

/** The column names of each table and view. Both kinds of names are folded as the database compares them. */
export type TableColumns = ReadonlyMap<string, ReadonlySet<string>>;

/** The columns of every table in a SQLite database. */
export const SQLITE_COLUMNS = `select m.name as "table", lower(c.name) as "column"
  from sqlite_master as m join pragma_table_xinfo(m.name) as c
  where m.type in ('table', 'view') and m.name not like 'sqlite\\_%' escape '\\'`;

/** The tables after these migrations, applied in this order. */
export function tablesAfter(migrations: readonly string[]): TableColumns {
  // An in-memory database works for any kind of migration, and takes a millisecond.
  const database = new DatabaseSync(":memory:");
  try {
    for (const name of migrations) for (const statement of sqliteStatements(name)) database.exec(statement);
    const rows = database.prepare(SQLITE_COLUMNS).all();
    return groupColumns(rows.map((row) => ({ table: String(row["table"]), column: String(row["column"]) })));
  } finally {
    database.close();
  }
}

/** Groups rows of table and column by table. */
export function groupColumns(rows: readonly { table: string; column: string }[]): TableColumns {
  const tables = new Map<string, Set<string>>();
  for (const { table, column } of rows) {
    const columns = tables.get(table) ?? new Set();
    tables.set(table, columns.add(column));
  }
  return tables;
}

function sqliteStatements(migration: string): readonly string[] {
  const ddl = MIGRATIONS[migration];
  return ddl === undefined ? [] : [ddl.sqlite].flat();
}
