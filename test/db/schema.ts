import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type RawBuilder, sql } from "kysely";
import { parseConfig } from "../../src/config/load.ts";
import { type Database, dialectOf, openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { type DatabaseKind, provision } from "../support/worker.ts";

/** A database's tables by name, in a form that is the same for all server versions. */
export type Schema = Record<string, Table>;

interface Table {
  /** Type, collation, null or not null, default, and how it is generated. */
  readonly columns: Record<string, string>;
  readonly indexes: Record<string, string>;
  /** Foreign keys by column. */
  readonly references: Record<string, string>;
}

interface ColumnRow {
  readonly table: string;
  readonly column: string;
  readonly type: string;
  readonly collation: string | null;
  readonly nullable: "YES" | "NO";
  readonly default: string | null;
  readonly extra: string;
}

/** One column of an index. */
interface IndexRow {
  readonly table: string;
  readonly index: string;
  readonly repeats: number | string;
  readonly column: string;
  /** A prefix length, or a collation. */
  readonly also: string | null;
}

interface ReferenceRow {
  readonly table: string;
  readonly column: string;
  readonly foreign: string;
  readonly key: string;
  readonly deleted: string;
  readonly updated: string;
}

interface Catalogue {
  readonly columns: RawBuilder<ColumnRow>;
  readonly indexes: RawBuilder<IndexRow>;
  readonly references: RawBuilder<ReferenceRow>;
}

const MYSQL: Catalogue = {
  columns: sql`
    select table_name as \`table\`, column_name as \`column\`, column_type as type, collation_name as collation,
      is_nullable as nullable, column_default as \`default\`, extra as extra
    from information_schema.columns where table_schema = database() order by table_name, ordinal_position`,
  indexes: sql`
    select table_name as \`table\`, index_name as \`index\`, non_unique as repeats, column_name as \`column\`,
      sub_part as also
    from information_schema.statistics where table_schema = database()
    order by table_name, index_name, seq_in_index`,
  references: sql`
    select k.table_name as \`table\`, k.column_name as \`column\`, k.referenced_table_name as \`foreign\`,
      k.referenced_column_name as \`key\`, r.delete_rule as deleted, r.update_rule as updated
    from information_schema.key_column_usage as k
      join information_schema.referential_constraints as r using (constraint_schema, constraint_name, table_name)
    where constraint_schema = database() order by k.table_name, k.column_name`,
};

const SQLITE: Catalogue = {
  // A rowid is never null, although the catalogue says that it can be.
  columns: sql`
    select m.name as "table", c.name as "column", c.type, null as collation,
      iif(c."notnull" or (c.pk and lower(c.type) = 'integer'), 'NO', 'YES') as nullable, c.dflt_value as "default",
      case c.hidden when 2 then 'virtual generated' when 3 then 'stored generated' else '' end as extra
    from sqlite_schema as m join pragma_table_xinfo(m.name) as c
    where m.type = 'table' and m.name not like 'sqlite\\_%' escape '\\' order by m.name, c.cid`,
  indexes: sql`
    select m.name as "table", i.name as "index", not i."unique" as repeats, c.name as "column",
      iif(c.coll = 'BINARY', null, c.coll) as also
    from sqlite_schema as m join pragma_index_list(m.name) as i join pragma_index_xinfo(i.name) as c
    where m.type = 'table' and c.key order by m.name, i.name, c.seqno`,
  references: sql`
    select m.name as "table", f."from" as "column", f."table" as "foreign", f."to" as "key",
      f.on_delete as deleted, f.on_update as updated
    from sqlite_schema as m join pragma_foreign_key_list(m.name) as f
    where m.type = 'table' order by m.name, f."from"`,
};

/** The file with the dumped schema, for review. */
export function dumpOf(database: DatabaseKind): string {
  return fileURLToPath(new URL(`schema.${database}.json`, import.meta.url));
}

/** The dumped schema. */
export function readDump(database: DatabaseKind): Schema {
  return JSON.parse(readFileSync(dumpOf(database), "utf8")) as Schema;
}

/** The schema of a freshly migrated database. */
export async function migratedSchema(database: DatabaseKind): Promise<Schema> {
  const { raw, cleanUp } = await provision({ database });
  try {
    const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
    await migrate(config.db);
    await using db = openDatabase(config.db);
    return await readSchema(db);
  } finally {
    await cleanUp();
  }
}

async function readSchema(db: Database): Promise<Schema> {
  const catalogue = dialectOf(db) === "mysql" ? MYSQL : SQLITE;
  const { rows: columns } = await catalogue.columns.execute(db);
  const { rows: indexes } = await catalogue.indexes.execute(db);
  const { rows: references } = await catalogue.references.execute(db);
  const names = new Set(
    columns.map(({ table }) => table).filter((name) => !name.startsWith("authmq_migration")),
  );
  const tableOf = (name: string): Table => {
    const isOwn = ({ table }: { readonly table: string }): boolean => table === name;
    const byIndex = Map.groupBy(indexes.filter(isOwn), ({ index }) => index);
    return {
      columns: Object.fromEntries(columns.filter(isOwn).map((row) => [row.column, columnText(row)])),
      indexes: Object.fromEntries(Array.from(byIndex, ([index, rows]) => [index, indexText(rows)])),
      references: Object.fromEntries(references.filter(isOwn).map((row) => [row.column, referenceText(row)])),
    };
  };
  return Object.fromEntries(Array.from(names, (name) => [name, tableOf(name)]));
}

/**
 * Removes differences between servers: MariaDB shows integer widths, MySQL marks some defaults as generated, and one
 * collation has two names (see src/db/migrations/folded-key.ts).
 */
function columnText({ type, collation, nullable, default: given, extra }: ColumnRow): string {
  const parts = [
    type.toLowerCase().replace(/^(\w*int)\(\d+\)/, "$1"),
    collation?.replace("utf8mb4_0900_bin", "utf8mb4_nopad_bin") ?? "",
    nullable === "YES" ? "null" : "not null",
    defaultText(given),
    extra.toLowerCase().replace("default_generated", "").trim(),
  ];
  return parts.filter((part) => part !== "").join(" ");
}

/** MariaDB quotes a default as in SQL; MySQL omits the quotes and writes functions in capitals. */
function defaultText(given: string | null): string {
  if (given === null || given === "NULL") return "";
  const bare = given.replace(/^'(.*)'$/s, "$1");
  return `default ${/^current_timestamp\b/i.test(bare) ? bare.toLowerCase() : bare}`;
}

function indexText(rows: readonly IndexRow[]): string {
  const columns = rows.map(({ column, also }) => (also === null ? column : `${column} ${also}`));
  return `${Number(rows[0]?.repeats) === 0 ? "unique " : ""}(${columns.join(", ")})`;
}

/** "no action" means "restrict". */
function referenceText({ foreign, key, deleted, updated }: ReferenceRow): string {
  const rule = (name: string): string => name.toLowerCase().replace("no action", "restrict");
  return `${foreign} (${key}) on delete ${rule(deleted)} on update ${rule(updated)}`;
}
