import { AppError } from "../errors.ts";
import { adviceOnServerError, classOfServerError, type ServerErrorClass } from "./server-errors.ts";
import { classOfSqliteError, type SqliteErrorClass } from "./sqlite-errors.ts";

/** `unreachable`: the database did not answer. */
type ErrorClass = ServerErrorClass | SqliteErrorClass | "unreachable";

/** Whether a row with this key already exists. */
export function isDuplicate(error: unknown): boolean {
  return classOf(error) === "duplicate";
}

/** Whether a foreign key references a row that does not exist. */
export function isMissingReference(error: unknown): boolean {
  return classOf(error) === "missingReference";
}

/** Whether a statement creates a table, column or index that already exists. */
export function isExisting(error: unknown): boolean {
  return classOf(error) === "existing";
}

/** Whether another transaction blocked this one: a retry may succeed. */
export function isContention(error: unknown): boolean {
  return classOf(error) === "conflict";
}

/** Whether the server has no connection left for this client. */
export function isTooManyConnections(error: unknown): boolean {
  return classOf(error) === "tooManyConnections";
}

/** Whether the server shuts down or accepts no writes, as in a failover. */
export function isFailover(error: unknown): boolean {
  return classOf(error) === "failover";
}

/** Whether the error lasts until an operator changes credentials, privileges or the database. */
export function needsOperator(error: unknown): boolean {
  return OPERATOR_CLASSES.has(classOf(error));
}

const OPERATOR_CLASSES: ReadonlySet<ErrorClass | undefined> = new Set(["credentials", "rights", "schema"]);

/** Whether the server sent the error. */
export function isServerError(error: unknown): boolean {
  return mysqlNumber(originOf(error)) > 0;
}

/** Classes that the caller handles, or that are a bug in authmq: the error stays unchanged. */
const CALLER_CLASSES: ReadonlySet<ErrorClass | undefined> = new Set([
  "duplicate",
  "missingReference",
  "existing",
  "statement",
]);

/**
 * Returns the driver's error unchanged if the statement or its values caused it. Otherwise returns UNAVAILABLE, with
 * the driver's error as its cause.
 */
export function translateError<E>(error: E): E | AppError {
  if (!(error instanceof Error) || error instanceof AppError) return error;
  const kind = classOf(error);
  if (kind === undefined || CALLER_CLASSES.has(kind)) return error;
  const number = mysqlNumber(error);
  // The class of an error with a number is one of the server's.
  const advice = number > 0 ? adviceOnServerError(number, kind as ServerErrorClass) : adviceOnTls(error);
  const text = `database: ${error.message}${advice === undefined ? "" : `: ${advice}`}`;
  return new AppError("UNAVAILABLE", text, { cause: error });
}

/** What an operator can do about a rejected certificate; undefined for other errors. */
function adviceOnTls(error: Error): string | undefined {
  if (!("code" in error) || error.code !== "HANDSHAKE_SSL_ERROR") return undefined;
  if (error.message.includes("altnames"))
    return (
      "use a name in the server's certificate as db_settings.host; if it has none, like the certificate that MySQL " +
      "generates, set ca_file and verify_host: false"
    );
  const isUntrusted = /issuer|self.signed|unable to verify/.test(error.message);
  return isUntrusted
    ? "db_settings.ca_file must contain the CA that signed the server's certificate"
    : undefined;
}

/** The class of a database error; undefined for any other error. */
function classOf(error: unknown): ErrorClass | undefined {
  const origin = originOf(error);
  if (origin === undefined) return undefined;
  const sqlite = sqliteCode(origin);
  if (sqlite !== undefined) return classOfSqliteError(sqlite, origin.message);
  const number = mysqlNumber(origin);
  if (number > 0) {
    // 1180 is any error at a commit. 149 is InnoDB's deadlock, and a conflict in MySQL's group replication.
    if (number === 1180 && origin.message.includes("149")) return "conflict";
    return classOfServerError(number, sqlState(origin));
  }
  // Server errors have a number. mysql2's own errors have only a code (ECONNREFUSED, PROTOCOL_CONNECTION_LOST).
  const isOfDriver = ("code" in origin && !MISUSE.test(String(origin.code))) || "fatal" in origin;
  return isOfDriver && !(origin instanceof AppError) ? "unreachable" : undefined;
}

/** Node's errors about invalid arguments. */
const MISUSE = /^ERR_(?:INVALID_ARG|MISSING_ARGS|OUT_OF_RANGE)/;

/** The error that the driver threw. */
function originOf(error: unknown): Error | undefined {
  const origin = error instanceof AppError ? error.cause : error;
  return origin instanceof Error ? origin : undefined;
}

function sqliteCode(error: Error): number | undefined {
  return "errcode" in error && typeof error.errcode === "number" ? error.errcode : undefined;
}

/** The server's error number; 0 for any other error. */
function mysqlNumber(error: Error | undefined): number {
  return error !== undefined && "errno" in error && typeof error.errno === "number" ? error.errno : 0;
}

function sqlState(error: Error): string {
  return "sqlState" in error && typeof error.sqlState === "string" ? error.sqlState : "";
}
