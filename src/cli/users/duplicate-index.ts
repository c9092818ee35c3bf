import { hash, randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import type { ImportedUser } from "../../accounts/import-plan.ts";
import { foldName } from "../../db/names.ts";

/** The usernames and email addresses of the lines so far. */
export interface DuplicateIndex extends Disposable {
  /** Adds a user; returns an error text if an earlier line has the same username or email address. */
  add(user: ImportedUser, line: number): string | undefined;
}

/**
 * Keeps the index in a temporary file that is deleted with this process, so memory does not grow with it. The file
 * contains digests with a random salt, so it reveals no names.
 */
export function createDuplicateIndex(
  describe = (field: "username" | "email", line: number): string => `${field} is already in line ${line}`,
): DuplicateIndex {
  const salt = randomBytes(16).toString("base64");
  // For an empty name, SQLite creates a temporary file and deletes it immediately.
  const database = new DatabaseSync("");
  database.exec(`
    pragma journal_mode = off;
    pragma synchronous = off;
    pragma cache_size = -16384;
    create table seen (digest blob primary key, line integer not null) without rowid;
    begin`);
  const insert = database.prepare("insert or ignore into seen values (?, ?)");
  const find = database.prepare("select line from seen where digest = ?");
  const earlierLine = (value: string, line: number): number | undefined => {
    const digest = hash("sha256", `${salt}${value}`, "buffer").subarray(0, 16);
    if (insert.run(digest, line).changes === 1) return undefined;
    return Number(find.get(digest)?.["line"]);
  };
  return {
    add(user, line) {
      for (const field of ["username", "email"] as const) {
        const value = user[field];
        const earlier = value === undefined ? undefined : earlierLine(`${field} ${foldName(value)}`, line);
        if (earlier !== undefined) return describe(field, earlier);
      }
      return undefined;
    },
    [Symbol.dispose]: () => database.close(),
  };
}
