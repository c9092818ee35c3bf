import { isArgon2id } from "./argon2id.ts";
import { isBcrypt } from "./bcrypt.ts";

/** Prefixes of other systems: LDAP, Dovecot and Spring use braces, Django uses words. */
const PREFIXES: readonly RegExp[] = [
  /^\{(?:bcrypt|blf-crypt|crypt|argon2|argon2id)\}(?=\$)/i,
  /^bcrypt\$(?=\$2)/,
  /^argon2(?=\$argon2)/,
];

/** Hashes that authmq cannot verify, with their descriptions. */
const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [/^bcrypt_sha256\$|^\$bcrypt-sha256\$/, "bcrypt of a SHA-256 of the password, which is not plain bcrypt"],
  [/^\$2x\$/, "a hash of a faulty bcrypt version ($2x$)"],
  [/^\$2\$/, "a hash of the first bcrypt version ($2$)"],
  [/^\$argon2id\$(?!v=19\$)/, "argon2id with another version than 19"],
  [/^\$argon2[id]\$/, "argon2i or argon2d"],
  [/^(?:\{pbkdf2[^}]*\}|pbkdf2|\$pbkdf2)/i, "PBKDF2"],
  [/^(?:\{scrypt[^}]*\}|scrypt\$|\$scrypt|\$7\$)/i, "scrypt"],
  [/^\$(?:y|gy)\$/, "yescrypt"],
  [/^\$[156]\$/, "crypt with MD5, SHA-256 or SHA-512"],
  [/^(?:\{(?:s?md5|s?sha\d*|ssha\d*|noop)\}|(?:md5|sha1|unsalted_md5)\$)/i, "a fast hash, or no hash at all"],
  [/^\$[PH]\$/, "phpass"],
];

/**
 * Converts a hash of another system to the stored format. If authmq cannot verify it, returns its kind instead,
 * undefined if unknown.
 */
export function readSpelling(
  text: string,
): { readonly hash: string } | { readonly kind: string | undefined } {
  const bare = PREFIXES.reduce((rest, prefix) => rest.replace(prefix, ""), text);
  const hash = bare.startsWith("$argon2id$") ? withoutPadding(bare) : bare;
  const isKnown = isArgon2id(hash) || (isBcrypt(hash) && !hash.startsWith("$2x$"));
  return isKnown ? { hash } : { kind: FOREIGN.find(([form]) => form.test(bare))?.[1] };
}

/** Removes base64 padding, which some libraries add to PHC strings. */
function withoutPadding(text: string): string {
  return text
    .split("$")
    .map((part) => {
      const digits = part.replace(/={1,2}$/, "");
      return digits !== part && part.length % 4 === 0 ? digits : part;
    })
    .join("$");
}
