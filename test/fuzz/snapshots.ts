import { DatabaseSync } from "node:sqlite";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import type { DbConfig } from "../../src/config/load.ts";

/** One row by its columns. */
export type Row = Readonly<Record<string, unknown>>;

/** The rows of the tables that a request may change, sorted, without the last use of sessions and API keys. */
export type State = Readonly<Record<Table, readonly Row[]>>;

type Table = "user" | "group" | "usergroup" | "token" | "api_key";

/** Parents before children, each with its sort order. */
const TABLES: Readonly<Record<Table, string>> = {
  user: "username",
  group: "name",
  usergroup: "username, groupname",
  token: "token_id",
  api_key: "api_key_id",
};

const NAMES = Object.keys(TABLES) as Table[];

/** Any request may change it; issuing an access token has no other effect. */
const UNWATCHED = "last_use";

/** Columns that the database generates. */
const GENERATED = /^(?:username|email)_key$/;

/** Tables that are kept when the initial state is restored, because requests do not write to them. */
const KEPT = /^(?:user|group|usergroup|token|api_key|lease|fuzz_change|sqlite_.*|.*migration.*)$/;

/** Direct access to the database: its changes, and a way back to the initial state. */
export interface DatabaseSnapshots {
  /** Takes the current state as the initial one, and records every change from now on. */
  begin(): Promise<void>;
  /** Every change since `begin` or the last `restore`, including changes that a later one reverted. */
  changes(): Promise<string[]>;
  read(): Promise<State>;
  /** Restores the initial state, and deletes everything else that requests have written. */
  restore(): Promise<void>;
  execute(script: string): Promise<void>;
  close(): Promise<void>;
}

interface Sql {
  readonly dialect: DbConfig["dialect"];
  all(query: string): Promise<Row[]>;
  /** Runs one or more statements. */
  execute(script: string): Promise<void>;
  close(): Promise<void>;
}

/** Opens snapshots on their own connection. */
export async function openSnapshots(config: DbConfig): Promise<DatabaseSnapshots> {
  const sql = config.dialect === "sqlite" ? openFile(config.file) : await openServer(config);
  let script = "";
  const read = async (): Promise<State> => {
    const state: Partial<Record<Table, Row[]>> = {};
    for (const name of NAMES) {
      const rows = await sql.all(`select * from \`${name}\` order by ${TABLES[name]}`);
      state[name] = rows.map((row) => ({ ...row, ...(UNWATCHED in row ? { [UNWATCHED]: null } : {}) }));
    }
    return state as State;
  };
  return {
    read,
    async begin() {
      await sql.execute(
        sql.dialect === "mysql"
          ? "create table fuzz_change (id bigint auto_increment primary key, what varchar(500) not null) " +
              "default character set utf8mb4"
          : "create table fuzz_change (id integer primary key, what text not null)",
      );
      const state = await read();
      for (const name of NAMES)
        for (const statement of triggers(name, Object.keys(state[name][0] ?? {}), sql.dialect))
          await sql.execute(statement);
      const others = (await sql.all(tableNames(sql.dialect))).map(({ name }) => String(name));
      script = [
        "begin",
        ...others.filter((name) => !KEPT.test(name)).map((name) => `delete from \`${name}\``),
        ...NAMES.toReversed().map((name) => `delete from \`${name}\``),
        ...NAMES.flatMap((name) => state[name].map((row) => insertion(name, row))),
        "delete from fuzz_change",
        "commit",
      ].join(";\n");
    },
    changes: async () =>
      (await sql.all("select what from fuzz_change order by id")).map(({ what }) => String(what)),
    restore: () => sql.execute(script),
    execute: (statements) => sql.execute(statements),
    close: () => sql.close(),
  };
}

/** Equal digests mean equal states. */
export function digestOf(state: State): string {
  return JSON.stringify(state, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
}

/**
 * Triggers that record each insert, delete and update except of `last_use`. MariaDB records cascades only by parent.
 */
function triggers(table: Table, columns: readonly string[], dialect: DbConfig["dialect"]): string[] {
  const differs = (column: string): string =>
    dialect === "mysql" ? `not (old.${column} <=> new.${column})` : `old.${column} is not new.${column}`;
  const changed = columns.filter((column) => column !== UNWATCHED).map(differs);
  return ["insert", "update", "delete"].map((event) => {
    const condition = event === "update" ? changed.join(" or ") : "1 = 1";
    const key = TABLES[table].split(", ")[0] ?? "";
    const row = event === "delete" ? "old" : "new";
    const what =
      dialect === "mysql"
        ? `concat('${table} ${event} ', ${row}.${key})`
        : `'${table} ${event} ' || ${row}.${key}`;
    const from = dialect === "mysql" ? " from dual" : "";
    const note = `insert into fuzz_change (what) select ${what}${from} where ${condition}`;
    const head = `create trigger fuzz_${table}_${event} after ${event} on \`${table}\` for each row`;
    return dialect === "mysql" ? `${head} ${note}` : `${head} begin ${note}; end`;
  });
}

function tableNames(dialect: DbConfig["dialect"]): string {
  return dialect === "mysql"
    ? "select table_name as name from information_schema.tables where table_schema = database()"
    : "select name from sqlite_master where type = 'table'";
}

function insertion(table: Table, row: Row): string {
  const columns = Object.keys(row).filter((column) => !GENERATED.test(column));
  const values = columns.map((column) => literal(row[column])).join(", ");
  return `insert into \`${table}\` (${columns.join(", ")}) values (${values})`;
}

function literal(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return `x'${Buffer.from(value).toString("hex")}'`;
  if (typeof value !== "string" || /['\\]/.test(value))
    throw new TypeError(`no literal for a ${typeof value}`);
  return `'${value}'`;
}

function openFile(file: string): Sql {
  const database = new DatabaseSync(file, { timeout: 10_000, readBigInts: true });
  // Durability is not needed; the worker's own connection keeps its settings.
  database.exec("pragma synchronous = off");
  return {
    dialect: "sqlite",
    all: async (query) => database.prepare(query).all(),
    execute: async (script) => database.exec(script),
    close: async () => database.close(),
  };
}

async function openServer(config: DbConfig & { dialect: "mysql" }): Promise<Sql> {
  const { host, port, user, password, database } = config;
  const connection = await createConnection({
    ...{ host, port, user, password, database },
    ...{ dateStrings: true, supportBigNumbers: true, bigNumberStrings: true, multipleStatements: true },
  });
  return {
    dialect: "mysql",
    all: async (query) => (await connection.query<RowDataPacket[]>(query))[0],
    async execute(script) {
      await connection.query(script);
    },
    close: () => connection.end(),
  };
}
