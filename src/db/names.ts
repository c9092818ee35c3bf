/**
 * The key of a username or an email address: ASCII letters in lower case, and nothing else changed. Two names are the
 * same if their keys are. The databases make the same key of the columns `username` and `email` (`username_key`,
 * `email_key`), and look-ups go by it.
 */
export function foldName(name: string): string {
  return name.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Whether a database keeps a group's name apart from others: MySQL compares as if there were no spaces at the end. */
export function isDistinct(groupname: string): boolean {
  return !groupname.endsWith(" ");
}

/** Whether two spellings are one name. */
export function isSameName(a: string, b: string): boolean {
  return foldName(a) === foldName(b);
}
