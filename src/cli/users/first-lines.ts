import { hash, randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";

/** On which line of a file a value stood first. */
export interface FirstLines extends Disposable {
  /** The line on which the value stood before; undefined, and noted, where it is new. */
  note(value: string, line: number): number | undefined;
}

/**
 * Remembers lines in a file of its own that goes with this process: memory does not grow with what is remembered. The file
 * holds digests with a random salt, so nobody reads names out of it.
 */
export function createFirstLines(): FirstLines {
  const salt = randomBytes(16).toString("base64");
  // SQLite makes a file without a name and deletes it at once.
  const database = new DatabaseSync("");
  for (const statement of [
    "pragma journal_mode = off",
    "pragma synchronous = off",
    "pragma cache_size = -16384",
    "create table seen (digest blob primary key, line integer not null) without rowid",
    "begin",
  ])
    database.exec(statement);
  const insert = database.prepare("insert or ignore into seen values (?, ?)");
  const find = database.prepare("select line from seen where digest = ?");
  return {
    note(value, line) {
      const digest = hash("sha256", `${salt}${value}`, "buffer").subarray(0, 16);
      if (insert.run(digest, line).changes === 1) return undefined;
      return Number(find.get(digest)?.["line"]);
    },
    [Symbol.dispose]: () => database.close(),
  };
}
