import { AppError } from "../errors.ts";

/** Extended result codes (sqlite.org/rescode.html) and error numbers that MySQL and MariaDB share. */
const SQLITE = { unique: [1555, 2067], foreignKey: [787], busy: [5, 6, 261, 517, 773] };
const MYSQL = { unique: [1062], foreignKey: [1216, 1452], busy: [1205, 1213, 1020] };

/** The server answered, but cannot work now: shutting down, too many connections, read only, query killed. */
const MYSQL_UNAVAILABLE = [
  1040, 1041, 1053, 1077, 1129, 1203, 1226, 1290, 1317, 1792, 1836, 1927, 3100, 3159,
];
const SQLITE_UNAVAILABLE = [8, 10, 11, 13, 14, 26];

/** Whether a row with this key exists already. */
export function isDuplicate(error: unknown): boolean {
  return is(error, SQLITE.unique, MYSQL.unique);
}

/** Whether the row that a foreign key names is not there. */
export function isForeignKeyFault(error: unknown): boolean {
  return is(error, SQLITE.foreignKey, MYSQL.foreignKey);
}

/** Whether another transaction was in the way, so that the same statements may succeed a moment later. */
export function isContention(error: unknown): boolean {
  return is(error, SQLITE.busy, MYSQL.busy);
}

/** The driver's error as it is when a statement was refused, as UNAVAILABLE when the database cannot be used. */
export function translateFault<E>(error: E): E | AppError {
  if (!(error instanceof Error) || error instanceof AppError) return error;
  const sqlite = sqliteCode(error);
  if (sqlite !== undefined) {
    return SQLITE_UNAVAILABLE.includes(sqlite & 0xff) ? unavailable(error) : error;
  }
  const number = mysqlNumber(error);
  // mysql2 numbers what the server says, and gives only a code (ECONNREFUSED, PROTOCOL_CONNECTION_LOST) to the rest.
  if (number !== undefined && number > 0)
    return MYSQL_UNAVAILABLE.includes(number) ? unavailable(error) : error;
  return "code" in error || "fatal" in error ? unavailable(error) : error;
}

function unavailable(cause: Error): AppError {
  return new AppError("UNAVAILABLE", `database: ${cause.message}`, { cause });
}

function is(error: unknown, sqlite: readonly number[], mysql: readonly number[]): boolean {
  if (!(error instanceof Error)) return false;
  const code = sqliteCode(error);
  return code === undefined ? mysql.includes(mysqlNumber(error) ?? 0) : sqlite.includes(code);
}

function sqliteCode(error: Error): number | undefined {
  return "errcode" in error && typeof error.errcode === "number" ? error.errcode : undefined;
}

function mysqlNumber(error: Error): number | undefined {
  return "errno" in error && typeof error.errno === "number" ? error.errno : undefined;
}
