import { type QueryExecutorProvider, sql } from "kysely";
import { type Db, dialectOf } from "../database.ts";
import { groupColumns, SQLITE_COLUMNS, type TableColumns } from "../expected-tables.ts";

/** A foreign key between two tables. */
export interface Reference {
  readonly from: string;
  readonly column: string;
  readonly to: string;
  readonly toColumn: string;
}

/** All tables and views that the database user can see, with their columns. */
export async function readTables(db: Db): Promise<TableColumns> {
  if (dialectOf(db) === "sqlite") {
    const { rows } = await sql.raw<{ table: string; column: string }>(SQLITE_COLUMNS).execute(db);
    return groupColumns(rows.map(({ table, column }) => ({ table: table.toLowerCase(), column })));
  }
  const { rows } = await sql<{ table: string; column: string; folds: number | string }>`
    select table_name as ${sql.ref("table")}, lower(column_name) as ${sql.ref("column")},
      @@lower_case_table_names as folds
    from information_schema.columns where table_schema = database()`.execute(db);
  return groupColumns(
    rows.map(({ table, column, folds }) => ({
      table: Number(folds) === 0 ? table : table.toLowerCase(),
      column,
    })),
  );
}

/** Whether a table with this name exists. */
export async function hasTable(db: Db, table: string): Promise<boolean> {
  const { rows } = await (dialectOf(db) === "sqlite"
    ? sql`select 1 from sqlite_master where type = 'table' and name = ${table}`
    : sql`select 1 from information_schema.tables where table_schema = database() and table_name = ${table}`
  ).execute(db);
  return rows.length > 0;
}

/** The columns of all foreign keys in the database. */
export async function readReferences(db: Db): Promise<Reference[]> {
  const { rows } = await (dialectOf(db) === "sqlite"
    ? sql<Reference>`select lower(m.name) as "from", lower(k."from") as "column", lower(k."table") as "to",
          lower(k."to") as "toColumn"
        from sqlite_master as m join pragma_foreign_key_list(m.name) as k where m.type = 'table'`
    : sql<Reference>`select lower(table_name) as ${sql.ref("from")}, lower(column_name) as ${sql.ref("column")},
          lower(referenced_table_name) as ${sql.ref("to")}, lower(referenced_column_name) as ${sql.ref("toColumn")}
        from information_schema.key_column_usage
        where table_schema = database() and referenced_table_schema = database()`
  ).execute(db);
  return rows;
}

/** The names of all applied migrations in order, including those of other versions. */
export async function readApplied(db: Db): Promise<string[]> {
  const { rows } = await sql<{
    name: string;
  }>`select name from authmq_migration order by name`.execute(db);
  return rows.map(({ name }) => name);
}

/** The name of the server-wide lock that Kysely holds on MySQL and MariaDB during migrations. */
export const MIGRATION_LOCK = "ea586330-2c93-47c8-908d-981d9d270f9d";

/** Whether a migration runs on this server. Always false on SQLite, where readers never see a partial migration. */
export async function isMigrating(db: Db): Promise<boolean> {
  if (dialectOf(db) === "sqlite") return false;
  // MySQL returns a bigint, which arrives as text; MariaDB an integer.
  const { rows } = await sql<{
    isFree: number | string;
  }>`select is_free_lock(${MIGRATION_LOCK}) as isFree`.execute(db);
  return Number(rows[0]?.isFree) === 0;
}

/** Whether a table has no rows. */
export async function isEmpty(db: QueryExecutorProvider, table: string): Promise<boolean> {
  const { rows } = await sql`select 1 from ${sql.table(table)} limit 1`.execute(db);
  return rows.length === 0;
}
