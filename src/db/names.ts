/** Lowercases ASCII letters only, as the databases do for `username_key` and `email_key`. */
export function foldAscii(text: string): string {
  return text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/**
 * The key of a username or email address: NFC, with ASCII letters in lower case. Two names are the same if their keys
 * are equal.
 */
export function foldName(name: string): string {
  return foldAscii(name.normalize("NFC"));
}

/**
 * The keys that a name may have in the database. The NFD key is included because earlier versions stored names
 * unnormalized.
 */
export function keysOf(name: string): readonly string[] {
  return [...new Set([foldName(name), foldAscii(name.normalize("NFD"))])];
}

/** Whether a name is in NFC. This version stores names in NFC only. */
export function isNfc(name: string): boolean {
  return name.normalize("NFC") === name;
}

/** The row whose name is in NFC, if there is one; otherwise the first row. */
export function preferNfc<R>(rows: readonly R[], nameOf: (row: R) => string): R | undefined {
  return rows.find((row) => isNfc(nameOf(row))) ?? rows[0];
}

/** Whether both databases can store a group's name as a distinct one: MySQL ignores trailing spaces in comparisons. */
export function isDistinct(groupname: string): boolean {
  return !groupname.endsWith(" ");
}

/** Whether two stored names belong to one account. Earlier versions could store the same name in NFC and in NFD. */
export function isSameAccount(a: string, b: string): boolean {
  return foldAscii(a) === foldAscii(b);
}

/** Whether two spellings are the same name. */
export function isSameName(a: string, b: string): boolean {
  return foldName(a) === foldName(b);
}
