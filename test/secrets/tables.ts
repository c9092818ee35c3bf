import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { noteSecret, noteWritten } from "./notes.ts";

type Row = Readonly<Record<string, unknown>>;

/** Timeout in milliseconds for a server that a test has stopped. */
const READ_TIMEOUT = 1000;

/**
 * Records the content of all tables of a database, and password hashes as secrets that may occur nowhere else. Call it
 * before the database is dropped. Does nothing if the database can no longer be read.
 */
export async function noteTables(settings: Readonly<Record<string, unknown>>): Promise<void> {
  if (process.env["AUTHMQ_TEST_NOTES"] === undefined) return;
  for (const [table, rows] of await readTables(settings).catch(() => [])) {
    for (const row of rows) {
      const { password_hash: hash, ...others } = row;
      if (hash instanceof Uint8Array) noteSecret("hash", Buffer.from(hash).toString("latin1"));
      noteWritten(`table ${table}`, `${JSON.stringify(others, asText)}\n`);
    }
  }
}

type Table = readonly [name: string, rows: readonly Row[]];

async function readTables(settings: Readonly<Record<string, unknown>>): Promise<Table[]> {
  return settings["dialect"] === "mysql" ? readServer(settings) : readFile(String(settings["file"]));
}

function readFile(file: string): Table[] {
  if (!existsSync(file)) return [];
  const database = new DatabaseSync(file, { timeout: READ_TIMEOUT });
  try {
    const names = database.prepare("select name from sqlite_schema where type = 'table'").all();
    return names.map(({ name }) => {
      const statement = database.prepare(`select * from "${String(name)}"`);
      statement.setReadBigInts(true);
      return [String(name), statement.all()];
    });
  } finally {
    database.close();
  }
}

async function readServer({ host, port, user, password, database }: Row): Promise<Table[]> {
  const connection = await createConnection({
    ...{ host: String(host), port: Number(port), user: String(user), password: String(password) },
    database: String(database),
    connectTimeout: READ_TIMEOUT,
  });
  const ask = async (sql: string): Promise<RowDataPacket[]> =>
    (await connection.query<RowDataPacket[]>({ sql, timeout: READ_TIMEOUT }))[0];
  try {
    const tables: Table[] = [];
    for (const row of await ask("show tables")) {
      const name = String(Object.values(row)[0]);
      tables.push([name, await ask(`select * from \`${name}\``)]);
    }
    return tables;
  } finally {
    connection.destroy();
  }
}

/** Bytes as hexadecimal digits, and as text. */
function asText(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  const bytes = bytesIn(value);
  return bytes === undefined ? value : { hex: bytes.toString("hex"), text: bytes.toString("latin1") };
}

function bytesIn(value: unknown): Buffer | undefined {
  if (value instanceof Uint8Array) return Buffer.from(value);
  // JSON.stringify calls Buffer.toJSON before this function.
  const isBuffer = typeof value === "object" && value !== null && "type" in value && value.type === "Buffer";
  return isBuffer && "data" in value && Array.isArray(value.data)
    ? Buffer.from(value.data as number[])
    : undefined;
}
