import { AppError } from "../errors.ts";

/** Extended result codes (sqlite.org/rescode.html) and error numbers that MySQL and MariaDB share. */
const SQLITE = { unique: [1555, 2067], foreignKey: [787] };
const MYSQL = { unique: [1062], foreignKey: [1216, 1452] };

/** Primary result codes: busy, locked. */
const SQLITE_BUSY = [5, 6];
/** Lock wait, deadlock (in Galera also a failed certification), changed since it was read; and changed by DDL. */
const MYSQL_BUSY = [1205, 1213, 1020, 1412, 1615];

/** No memory, read only, I/O, corrupt, full, cannot open, locking protocol, not a database. */
const SQLITE_UNAVAILABLE = [7, 8, 10, 11, 13, 14, 15, 26];

/** Below it the server passes on what its files say: disk full, out of memory, cannot write. */
const FIRST_OF_SERVER = 1000;

/** SQLSTATE classes that say all: connection exceptions (Galera's 1047, too), interrupted or killed statements. */
const STATES_UNAVAILABLE = /^(?:08|70100)/;

/** No connection or thread is left for this client: those that it has go on working. */
const MYSQL_CROWDED = [1040, 1135, 1203, 1226];

/**
 * This server takes no writes any more, or goes: after a failover another one does behind the same address.
 * 1290, 1792, 1836, 1874, 1881: read only; 1053, 1077 to 1080, 3032, 3168: shutting down, offline; 1047: cut off from its
 * Galera cluster; 3100, 3796 to 3798: from its replication group; 1243: not the server that prepared the statement;
 * 2002, 2003, 2006, 2013, 9001: what a proxy says of the server behind it.
 */
const MYSQL_MISDIRECTED = [
  1047, 1053, 1077, 1078, 1079, 1080, 1243, 1290, 1792, 1836, 1874, 1881, 2002, 2003, 2006, 2013, 3032, 3100,
  3168, 3796, 3797, 3798, 9001,
];

/**
 * 1021, 1026, 1114, 1878, 3019: disk or table full; 1015, 1030, 1034, 1194, 1195, 1877: storage; 1180, 1181: at the end
 * of a transaction; 1037, 1038, 1041, 1206, 1637: out of memory, locks, transactions; 1129, 3159: this host, this way;
 * 1317, 1927, 3169, 4031: killed, or idle for too long; 1969, 3024: the server's own limit of time.
 */
const MYSQL_UNAVAILABLE = [
  1015, 1021, 1026, 1030, 1034, 1037, 1038, 1041, 1114, 1129, 1180, 1181, 1194, 1195, 1206, 1317, 1637, 1877,
  1878, 1927, 1969, 3019, 3024, 3159, 3169, 4031,
];

const CREDENTIALS = "check db_settings.user and password, and that this user may come from this host";
const RIGHTS = "check what the user may do in this database";
const SCHEMA = "check db_settings.database, and that it was restored completely";

/**
 * What an operator has changed while the service runs: credentials, rights, the database itself. Also a missing table,
 * which a restore drops and makes again: nothing is wrong with the request, and the same one succeeds once that is
 * mended, so it is 503. A missing column is not here: code and schema are of two versions, and no repeat helps.
 */
const MYSQL_OPERATOR: Readonly<Record<number, string>> = {
  1044: RIGHTS,
  1045: CREDENTIALS,
  1046: SCHEMA,
  1049: SCHEMA,
  1130: CREDENTIALS,
  1142: RIGHTS,
  1143: RIGHTS,
  1146: SCHEMA,
  1227: RIGHTS,
  1698: CREDENTIALS,
  1820: CREDENTIALS,
  1862: CREDENTIALS,
  1932: SCHEMA,
  3118: CREDENTIALS,
  3955: CREDENTIALS,
  4151: CREDENTIALS,
};

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
  const fault = originOf(error);
  if (fault === undefined) return false;
  const sqlite = sqliteCode(fault);
  if (sqlite !== undefined) return SQLITE_BUSY.includes(sqlite & 0xff);
  const number = mysqlNumber(fault);
  // 1180 is any error at a commit; 149 is InnoDB's deadlock, and how MySQL's group replication tells of a conflict.
  if (number === 1180) return fault.message.includes("149");
  return MYSQL_BUSY.includes(number) || sqlState(fault).startsWith("40");
}

/** Whether the server has no connection left for this client. */
export function isCrowded(error: unknown): boolean {
  return MYSQL_CROWDED.includes(mysqlNumber(originOf(error)));
}

/** Whether this is not, or not much longer, the server that takes writes. */
export function isMisdirected(error: unknown): boolean {
  return MYSQL_MISDIRECTED.includes(mysqlNumber(originOf(error)));
}

/** Whether it lasts until an operator changes credentials, rights, or the database. */
export function isOperatorFault(error: unknown): boolean {
  return mysqlNumber(originOf(error)) in MYSQL_OPERATOR;
}

/** Whether the error is the server's answer, and not the lack of one. */
export function isAnswer(error: unknown): boolean {
  return mysqlNumber(originOf(error)) > 0;
}

/**
 * The driver's error as it is when a statement was refused; as UNAVAILABLE, with the driver's error as its cause, when the
 * database cannot be used now.
 */
export function translateFault<E>(error: E): E | AppError {
  if (!(error instanceof Error) || error instanceof AppError) return error;
  if (isContention(error)) return unavailable(error);
  const sqlite = sqliteCode(error);
  if (sqlite !== undefined) {
    const isMissing = error.message.startsWith("no such table: ");
    return isMissing || SQLITE_UNAVAILABLE.includes(sqlite & 0xff) ? unavailable(error) : error;
  }
  const number = mysqlNumber(error);
  // mysql2 numbers what the server says, and gives only a code (ECONNREFUSED, PROTOCOL_CONNECTION_LOST) to the rest.
  if (number <= 0) return "code" in error || "fatal" in error ? unavailable(error) : error;
  const advice = MYSQL_OPERATOR[number];
  if (advice !== undefined) return unavailable(error, `: ${advice}`);
  return number < FIRST_OF_SERVER ||
    [...MYSQL_CROWDED, ...MYSQL_MISDIRECTED, ...MYSQL_UNAVAILABLE].includes(number) ||
    STATES_UNAVAILABLE.test(sqlState(error))
    ? unavailable(error)
    : error;
}

function unavailable(cause: Error, advice = ""): AppError {
  return new AppError("UNAVAILABLE", `database: ${cause.message}${advice}`, { cause });
}

function is(error: unknown, sqlite: readonly number[], mysql: readonly number[]): boolean {
  if (!(error instanceof Error)) return false;
  const code = sqliteCode(error);
  return code === undefined ? mysql.includes(mysqlNumber(error)) : sqlite.includes(code);
}

/** What the driver threw. */
function originOf(error: unknown): Error | undefined {
  const origin = error instanceof AppError ? error.cause : error;
  return origin instanceof Error ? origin : undefined;
}

function sqliteCode(error: Error): number | undefined {
  return "errcode" in error && typeof error.errcode === "number" ? error.errcode : undefined;
}

/** Positive for what the server said, 0 for what has no number. */
function mysqlNumber(error: Error | undefined): number {
  return error !== undefined && "errno" in error && typeof error.errno === "number" ? error.errno : 0;
}

function sqlState(error: Error): string {
  return "sqlState" in error && typeof error.sqlState === "string" ? error.sqlState : "";
}
