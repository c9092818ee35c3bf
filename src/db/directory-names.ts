/**
 * A name in the form in which directories compare names: upper and lower case are equal (caseIgnoreMatch, RFC 4518), and
 * so are composed and decomposed letters.
 */
export function foldDirectoryName(name: string): string {
  return name.normalize("NFC").toLowerCase();
}

/** Whether two names are equal to a directory. */
export function isSameDirectoryName(a: string, b: string): boolean {
  return foldDirectoryName(a) === foldDirectoryName(b);
}
