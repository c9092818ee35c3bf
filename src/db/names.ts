/** Text with its ASCII letters in lower case: what the databases make of a name for `username_key` and `email_key`. */
export function foldAscii(text: string): string {
  return text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/**
 * The key of a username or an email address: in NFC, ASCII letters in lower case, nothing else changed. Two names are the
 * same if their keys are.
 */
export function foldName(name: string): string {
  return foldAscii(name.normalize("NFC"));
}

/**
 * The keys under which the database may have a name: its key; and the one in NFD, because versions before stored names as
 * they came.
 */
export function keysOf(name: string): readonly string[] {
  return [...new Set([foldName(name), foldAscii(name.normalize("NFD"))])];
}

/** Whether a name is in NFC, as all are that this version stores. */
export function isNfc(name: string): boolean {
  return name.normalize("NFC") === name;
}

/** Of rows with one of the keys of a name, the one with the name in NFC if it is there. */
export function preferNfc<R>(rows: readonly R[], nameOf: (row: R) => string): R | undefined {
  return rows.find((row) => isNfc(nameOf(row))) ?? rows[0];
}

/** Whether a database keeps a group's name apart from others: MySQL compares as if there were no spaces at the end. */
export function isDistinct(groupname: string): boolean {
  return !groupname.endsWith(" ");
}

/** Whether two names are those of one account, as they are stored: versions before stored a name in NFC beside one in NFD. */
export function isSameAccount(a: string, b: string): boolean {
  return foldAscii(a) === foldAscii(b);
}

/** Whether two spellings are one name. */
export function isSameName(a: string, b: string): boolean {
  return foldName(a) === foldName(b);
}
