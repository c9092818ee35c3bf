/**
 * A password as it is hashed, by RFC 8265 section 4.2 (OpaqueString): every space is an ASCII space, and the text is in
 * NFC, so that it does not matter how a keyboard composes `é`. Case, width and everything else stay.
 */
export function preparePassword(typed: string): string {
  return typed.replaceAll(/\p{Zs}/gu, " ").normalize("NFC");
}

/**
 * The forms in which a stored hash may have a typed password, the prepared one first. Hashes of versions before and of
 * other systems were made of the bytes as they came: mostly NFC, NFD from some devices. The list depends on the typed
 * password alone.
 */
export function formsOf(typed: string): readonly string[] {
  return [...new Set([preparePassword(typed), typed, typed.normalize("NFC"), typed.normalize("NFD")])];
}
