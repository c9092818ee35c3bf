import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { type DatabaseKind, provision } from "../support/worker.ts";

type Settings = Record<string, unknown>;

/** A database that no worker uses, and statements on it as from another application. */
export interface RawDatabase extends AsyncDisposable {
  /** The configuration of an installation on this database. */
  readonly raw: Record<string, Record<string, unknown>>;
  execute(...statements: readonly string[]): Promise<void>;
  /** The complete content: on SQLite a digest of the file, on a server each table's definition and rows. */
  snapshot(): Promise<string>;
}

/** Creates an empty database. */
export async function emptyDatabase(database: DatabaseKind): Promise<RawDatabase> {
  // Long timeout: speed is not under test.
  const config = database === "mysql" ? { db_settings: { timeout_ms: 30_000 } } : {};
  const { raw, cleanUp } = await provision({ database, config });
  const settings = raw["db_settings"] ?? {};
  const execute = async (...statements: readonly string[]): Promise<void> => {
    if (database === "sqlite") {
      using file = new DatabaseSync(String(settings["file"]));
      for (const statement of statements) file.exec(statement);
    } else for (const statement of statements) await query(settings, statement);
  };
  return {
    raw,
    execute,
    snapshot: () => (database === "sqlite" ? fileOf(String(settings["file"])) : contentOf(settings)),
    [Symbol.asyncDispose]: cleanUp,
  };
}

async function query(settings: Settings, statement: string): Promise<RowDataPacket[]> {
  const { host, port, user, password, database } = settings as Record<string, string>;
  const connection = await createConnection({
    ...{ host: host!, port: Number(port), user: user!, password: password!, database: database! },
  });
  try {
    const [rows] = await connection.query<RowDataPacket[]>(statement);
    return rows;
  } finally {
    await connection.end();
  }
}

async function fileOf(file: string): Promise<string> {
  const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
  return [digest, ...["-wal", "-journal"].filter((suffix) => existsSync(file + suffix))].join(" ");
}

async function contentOf(settings: Settings): Promise<string> {
  const tables = await query(
    settings,
    "select table_name as name from information_schema.tables where table_schema = database() order by 1",
  );
  const contents = tables.map(async ({ name }) => [
    await query(settings, `show create table \`${name}\``),
    await query(settings, `select * from \`${name}\``),
  ]);
  return JSON.stringify(await Promise.all(contents));
}
