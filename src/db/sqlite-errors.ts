/** The class of a SQLite error. */
export type SqliteErrorClass =
  | "duplicate"
  | "missingReference"
  | "conflict"
  | "full"
  | "readOnly"
  | "schema"
  | "statement"
  | "other";

/** Extended result codes (sqlite.org/rescode.html) whose primary code is too general. */
const EXTENDED: Readonly<Record<number, SqliteErrorClass>> = {
  787: "missingReference", // SQLITE_CONSTRAINT_FOREIGNKEY
  1555: "duplicate", // SQLITE_CONSTRAINT_PRIMARYKEY
  2067: "duplicate", // SQLITE_CONSTRAINT_UNIQUE
};

/**
 * Primary result codes. All others (permission, memory, interrupt, I/O, corruption, cannot open, protocol, large files,
 * not a database) are `other`: the request did not cause them.
 */
const PRIMARY: Readonly<Record<number, SqliteErrorClass>> = {
  1: "statement", // SQLITE_ERROR
  2: "statement", // SQLITE_INTERNAL
  5: "conflict", // SQLITE_BUSY
  6: "conflict", // SQLITE_LOCKED
  8: "readOnly", // SQLITE_READONLY
  13: "full", // SQLITE_FULL
  17: "conflict", // SQLITE_SCHEMA: the schema changed since the statement was prepared
  18: "statement", // SQLITE_TOOBIG
  19: "statement", // SQLITE_CONSTRAINT
  20: "statement", // SQLITE_MISMATCH
  21: "statement", // SQLITE_MISUSE
  23: "statement", // SQLITE_AUTH
  25: "statement", // SQLITE_RANGE
};

/** The class of a SQLite error. A missing table has no result code, so the message tells. */
export function classOfSqliteError(code: number, message: string): SqliteErrorClass {
  if (message.startsWith("no such table: ")) return "schema";
  return EXTENDED[code] ?? PRIMARY[code & 0xff] ?? "other";
}
