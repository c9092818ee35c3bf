import { dirname, resolve } from "node:path";
import { ConfigError } from "../../config/fault.ts";
import { type DbConfig, parseConfig, readConfigObject } from "../../config/load.ts";
import { modernize } from "../../config/py-auth-micro.ts";
import { type Database, type Db, openDatabase } from "../../db/database.ts";
import { findMemberColumns } from "../../db/py-auth-micro.ts";
import type { MemberColumns } from "../../db/queries/py-auth-micro.ts";
import { messageOf } from "../../errors.ts";
import { ExitError } from "../exit.ts";

/** The server with the database of py_auth_micro. */
export type OldServer = Extract<DbConfig, { dialect: "mysql" }>;

/** Timeout of a statement in milliseconds: counting rows reads whole tables, and no caller waits for it. */
const TIMEOUT = 60_000;

/** The database settings in a configuration of py_auth_micro; throws ConfigError. No variable overrides them. */
export function readOldServer(file: string): OldServer {
  const { db_settings: settings } = modernize(readConfigObject(file)).config;
  if (settings === undefined) throw notMySql(file);
  const db = inFile(file, () => {
    const folder = dirname(resolve(file));
    return parseConfig({ db_settings: settings }, { env: {}, keys: false, folder }).db;
  });
  if (db.dialect !== "mysql") throw notMySql(file);
  return { ...db, timeout_ms: TIMEOUT, pool_size: 1 };
}

/** Runs `read`, and adds the name of the file to the faults of a ConfigError. */
export function inFile<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(error.faults.map(({ path, msg }) => ({ path: `${file}: ${path}`, msg })));
  }
}

/** Opens the database of py_auth_micro; the caller must destroy it. */
export function openOldDatabase(server: OldServer): Database {
  return openDatabase(server);
}

/**
 * Runs `read` in one read-only transaction, which sees one state of the database. Throws ExitError (1) if the database
 * is not one of py_auth_micro, or cannot be read.
 */
export async function readOldDatabase<T>(
  old: Database,
  server: OldServer,
  read: (db: Db, columns: MemberColumns) => Promise<T>,
): Promise<T> {
  const results: T[] = [];
  try {
    const columns = await findMemberColumns(old, server.database);
    if (typeof columns === "string") throw new ExitError(1, columns);
    await old
      .transaction()
      .setIsolationLevel("repeatable read")
      .setAccessMode("read only")
      .execute(async (trx) => results.push(await read(trx, columns)));
  } catch (error) {
    // Once `read` has returned, nothing is lost if the transaction ends with its connection.
    if (results.length === 0) throw error instanceof ExitError ? error : unreadable(server, error);
  }
  return results[0] as T; // without a result, an error was thrown
}

/** Why the database of py_auth_micro cannot be read. */
function unreadable({ host, port, database, user }: OldServer, error: unknown): ExitError {
  return new ExitError(
    1,
    `cannot read the database ${database} of py_auth_micro at ${host}:${port} as ${user}: ${messageOf(error)}`,
    { cause: error },
  );
}

function notMySql(file: string): ConfigError {
  const msg =
    "must name the MySQL or MariaDB database of py_auth_micro: database, user, password, and host if it is not on " +
    "this machine. Move users of another database with authmq users import";
  return new ConfigError([{ path: `${file}: db_settings`, msg }]);
}
