/**
 * A collation that compares character by character, trailing spaces included: any two different names differ. Its name
 * differs between MySQL and MariaDB; each reads its own version comment.
 */
export const EXACT = "/*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".split("");

/**
 * The MySQL and MariaDB expression that lowercases ASCII letters only, as `foldAscii` does in JavaScript and `lower()`
 * in SQLite. Their own `lower()` also changes other letters, and differs between servers.
 */
export function foldedKey(column: string): string {
  return LETTERS.reduce(
    (expression, letter) => `replace(${expression}, '${letter}', '${letter.toLowerCase()}')`,
    column,
  );
}
