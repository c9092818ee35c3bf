/**
 * Whether two spellings are one user's name: they differ in case at most. A database may find more than that (MySQL takes
 * é for e), so what was found by a name is looked at with this before one account is given another one's.
 */
export function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
