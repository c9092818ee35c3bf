/**
 * A collation that compares texts character by character and does not ignore spaces at the end: the only kind that
 * tells every two names apart. MySQL and MariaDB have different names for it; each reads its own comment.
 */
export const EXACT = "/*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".split("");

/**
 * The expression for MySQL and MariaDB that `foldName` is in JavaScript and `lower()` in SQLite: ASCII letters in lower
 * case. Their own `lower()` also changes other letters, and differs between servers.
 */
export function foldedKey(column: string): string {
  return LETTERS.reduce(
    (expression, letter) => `replace(${expression}, '${letter}', '${letter.toLowerCase()}')`,
    column,
  );
}
