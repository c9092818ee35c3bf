/**
 * The form in which a directory compares names: case is ignored (caseIgnoreMatch, RFC 4518), and composed and
 * decomposed letters are equal.
 */
export function foldDirectoryName(name: string): string {
  return name.normalize("NFC").toLowerCase();
}

/** Whether a directory treats two names as equal. */
export function isSameDirectoryName(a: string, b: string): boolean {
  return foldDirectoryName(a) === foldDirectoryName(b);
}
