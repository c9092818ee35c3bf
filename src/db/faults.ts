import { AppError } from "../errors.ts";
import { adviceOnServerError, classOfServerError, type ServerErrorClass } from "./server-errors.ts";
import { classOfSqliteError, type SqliteErrorClass } from "./sqlite-errors.ts";

/** `unreachable`: no answer of a database, but a failure on the way to it. */
type ErrorClass = ServerErrorClass | SqliteErrorClass | "unreachable";

/** Whether a row with this key exists already. */
export function isDuplicate(error: unknown): boolean {
  return classOf(error) === "duplicate";
}

/** Whether the row that a foreign key names is not there. */
export function isForeignKeyFault(error: unknown): boolean {
  return classOf(error) === "missingReference";
}

/** Whether a statement was to create a table, column or index that exists already. */
export function isExisting(error: unknown): boolean {
  return classOf(error) === "existing";
}

/** Whether another transaction was in the way, so that the same statements may succeed a moment later. */
export function isContention(error: unknown): boolean {
  return classOf(error) === "conflict";
}

/** Whether the server has no connection left for this client. */
export function isCrowded(error: unknown): boolean {
  return classOf(error) === "crowded";
}

/** Whether this is not, or not much longer, the server that takes writes. */
export function isMisdirected(error: unknown): boolean {
  return classOf(error) === "misdirected";
}

/** Whether it lasts until an operator changes credentials, rights, or the database. */
export function isOperatorFault(error: unknown): boolean {
  return OPERATOR.has(classOf(error));
}

const OPERATOR: ReadonlySet<ErrorClass | undefined> = new Set(["credentials", "rights", "schema"]);

/** Whether the error is the server's answer, and not the lack of one. */
export function isAnswer(error: unknown): boolean {
  return mysqlNumber(originOf(error)) > 0;
}

/** Classes that a caller decides about, or that are a mistake in this program: the error stays as it is. */
const ANSWERS: ReadonlySet<ErrorClass | undefined> = new Set([
  "duplicate",
  "missingReference",
  "existing",
  "statement",
]);

/**
 * Returns the driver's error unchanged if the statement or its values are at fault; otherwise UNAVAILABLE, with the
 * driver's error as its cause.
 */
export function translateFault<E>(error: E): E | AppError {
  if (!(error instanceof Error) || error instanceof AppError) return error;
  const kind = classOf(error);
  if (kind === undefined || ANSWERS.has(kind)) return error;
  const number = mysqlNumber(error);
  // The table of servers' errors has no advice on the classes of others.
  const advice = number > 0 ? adviceOnServerError(number, kind as ServerErrorClass) : undefined;
  const text = `database: ${error.message}${advice === undefined ? "" : `: ${advice}`}`;
  return new AppError("UNAVAILABLE", text, { cause: error });
}

/** What a database's error means; undefined for errors of other origin. */
function classOf(error: unknown): ErrorClass | undefined {
  const origin = originOf(error);
  if (origin === undefined) return undefined;
  const sqlite = sqliteCode(origin);
  if (sqlite !== undefined) return classOfSqliteError(sqlite, origin.message);
  const number = mysqlNumber(origin);
  if (number > 0) {
    // Any error at a commit; 149 is InnoDB's deadlock, and how MySQL's group replication reports a conflict.
    if (number === 1180 && origin.message.includes("149")) return "conflict";
    return classOfServerError(number, sqlState(origin));
  }
  // mysql2 numbers what the server says, and gives only a code (ECONNREFUSED, PROTOCOL_CONNECTION_LOST) to the rest.
  const isOfDriver = ("code" in origin && !MISUSE.test(String(origin.code))) || "fatal" in origin;
  return isOfDriver && !(origin instanceof AppError) ? "unreachable" : undefined;
}

/** Node's own errors about the values that it was called with. */
const MISUSE = /^ERR_(?:INVALID_ARG|MISSING_ARGS|OUT_OF_RANGE)/;

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
