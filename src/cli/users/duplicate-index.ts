import { hash, randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import type { ImportedUser } from "../../accounts/import-plan.ts";
import { foldName } from "../../db/names.ts";

/** The names and addresses of the lines so far. */
export interface DuplicateIndex extends Disposable {
  /** Adds a user; if an earlier line has the name or the address already, says which. */
  add(user: ImportedUser, line: number): string | undefined;
}

/**
 * Keeps the index in a file of its own that goes with this process: memory does not grow with it. The file holds
 * digests with a random salt, so nobody reads names out of it.
 */
export function createDuplicateIndex(): DuplicateIndex {
  const salt = randomBytes(16).toString("base64");
  // SQLite makes a file without a name and deletes it at once.
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
        const earlier = earlierLine(`${field} ${foldName(user[field])}`, line);
        if (earlier !== undefined) return `${field} is that of line ${earlier}`;
      }
      return undefined;
    },
    [Symbol.dispose]: () => database.close(),
  };
}
