import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { noteSecret, noteWritten } from "./notes.ts";

type Row = Readonly<Record<string, unknown>>;

/** A server that was taken away by a test is not waited for, in milliseconds. */
const RETRY_LIMIT = 1000;

/**
 * Notes all that stands in the tables of a database, and the password hashes as secrets that stand nowhere else; to be
 * called before it is dropped. A database that cannot be read any more has nothing to be noted.
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
  const database = new DatabaseSync(file, { timeout: RETRY_LIMIT });
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
    connectTimeout: RETRY_LIMIT,
  });
  const ask = async (sql: string): Promise<RowDataPacket[]> =>
    (await connection.query<RowDataPacket[]>({ sql, timeout: RETRY_LIMIT }))[0];
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

/** Bytes as hexadecimal digits and, because they may be a text, as that. */
function asText(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  const bytes = bytesIn(value);
  return bytes === undefined ? value : { hex: bytes.toString("hex"), text: bytes.toString("latin1") };
}

function bytesIn(value: unknown): Buffer | undefined {
  if (value instanceof Uint8Array) return Buffer.from(value);
  // A Buffer has made itself an object of its own kind before it is asked for.
  const isBuffer = typeof value === "object" && value !== null && "type" in value && value.type === "Buffer";
  return isBuffer && "data" in value && Array.isArray(value.data)
    ? Buffer.from(value.data as number[])
    : undefined;
}
