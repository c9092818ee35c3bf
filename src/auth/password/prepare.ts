/**
 * Prepares a password for hashing (RFC 8265 section 4.2, OpaqueString): converts all spaces to ASCII spaces and the
 * text to NFC, because keyboards compose `é` differently. Case, width and everything else stay.
 */
export function preparePassword(typed: string): string {
  return typed.replaceAll(/\p{Zs}/gu, " ").normalize("NFC");
}

/**
 * The forms of a typed password that a stored hash may be of, the prepared form first. Older versions and other systems
 * hashed unprepared bytes: mostly NFC, from some devices NFD. Depends only on the typed password.
 */
export function formsOf(typed: string): readonly string[] {
  return [...new Set([preparePassword(typed), typed, typed.normalize("NFC"), typed.normalize("NFD")])];
}
