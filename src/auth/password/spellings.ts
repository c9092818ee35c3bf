import { isArgon2id } from "./argon2id.ts";
import { isBcrypt } from "./bcrypt.ts";

/** Marks in front of a hash: LDAP, Dovecot and Spring write them in braces, Django as words. */
const MARKS: readonly RegExp[] = [
  /^\{(?:bcrypt|blf-crypt|crypt|argon2|argon2id)\}(?=\$)/i,
  /^bcrypt\$(?=\$2)/,
  /^argon2(?=\$argon2)/,
];

/** Hashes that cannot be checked here, by what they begin with. */
const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [
    /^bcrypt_sha256\$|^\$bcrypt-sha256\$/,
    "bcrypt of a SHA-256 of the password, which is another hash than bcrypt",
  ],
  [/^\$2x\$/, "of a bcrypt with an error ($2x$), which no other one can check"],
  [/^\$2\$/, "of the first bcrypt ($2$), which no other one can check"],
  [/^\$argon2id\$(?!v=19\$)/, "argon2id of another version than 19"],
  [/^\$argon2[id]\$/, "argon2i or argon2d"],
  [/^(?:\{pbkdf2[^}]*\}|pbkdf2|\$pbkdf2)/i, "PBKDF2"],
  [/^(?:\{scrypt[^}]*\}|scrypt\$|\$scrypt|\$7\$)/i, "scrypt"],
  [/^\$(?:y|gy)\$/, "yescrypt"],
  [/^\$[156]\$/, "MD5, SHA-256 or SHA-512 of crypt"],
  [/^(?:\{(?:s?md5|s?sha\d*|ssha\d*|noop)\}|(?:md5|sha1|unsalted_md5)\$)/i, "a fast hash, or no hash at all"],
  [/^\$[PH]\$/, "phpass"],
];

/**
 * A hash of another system in the form in which it is stored; or what it is, where it cannot be checked, and undefined
 * where that is not known. Whether it is dearer than allowed is decided by its scheme.
 */
export function readSpelling(
  text: string,
): { readonly hash: string } | { readonly kind: string | undefined } {
  const bare = MARKS.reduce((rest, mark) => rest.replace(mark, ""), text);
  const hash = bare.startsWith("$argon2id$") ? withoutPadding(bare) : bare;
  const isKnown = isArgon2id(hash) || (isBcrypt(hash) && !hash.startsWith("$2x$"));
  return isKnown ? { hash } : { kind: FOREIGN.find(([form]) => form.test(bare))?.[1] };
}

/** PHC strings have base64 without padding; some libraries write it. */
function withoutPadding(text: string): string {
  return text
    .split("$")
    .map((part) => {
      const digits = part.replace(/={1,2}$/, "");
      return digits !== part && part.length % 4 === 0 ? digits : part;
    })
    .join("$");
}
