/**
 * A username in the form that tells it from others: case does not matter, of ASCII letters. Databases differ about the
 * rest (MySQL takes é for e, SQLite É for another letter than é), and so would the answer to who somebody is.
 */
export function foldName(name: string): string {
  return name.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Whether a database keeps a group's name apart from others: MySQL compares as if there were no spaces at the end. */
export function isDistinct(groupname: string): boolean {
  return !groupname.endsWith(" ");
}

/** Whether two spellings are one user's name, on every database. */
export function isSameName(a: string, b: string): boolean {
  return foldName(a) === foldName(b);
}
