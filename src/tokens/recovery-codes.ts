import { hash } from "node:crypto";
import type { Fingerprints } from "./fingerprint.ts";

/** How many recovery codes an account gets. */
const RECOVERY_CODES = 10;

/** Crockford's base 32: without letters that people confuse. */
const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";

/** Characters of a code, 5 bits each: from 112 bits on, a plain digest is enough (OWASP ASVS 5.0, 6.5.2). */
const LENGTH = 24;

/**
 * Derives recovery codes of 120 bits from a random `seed`, so that a retry of the request can return them although they
 * are not stored. Without the signing key, the seed does not reveal them.
 */
export function deriveRecoveryCodes(fingerprints: Fingerprints, seed: string): string[] {
  return Array.from({ length: RECOVERY_CODES }, (_, index) =>
    format(fingerprints.of("recovery code", seed, index.toString())),
  );
}

/** The digest by which the database identifies a recovery code: SHA-256. Ignores case, hyphens and spaces. */
export function digestOfRecoveryCode(text: string): Buffer {
  const folded = text.toLowerCase().replace(/[\s-]/g, "").replaceAll("o", "0").replace(/[il]/g, "1");
  return hash("sha256", folded, "buffer");
}

function format(bytes: Buffer): string {
  const digits = Array.from(bytes.subarray(0, LENGTH), (byte) => DIGITS.charAt(byte % 32));
  return digits.join("").replace(/.{4}(?=.)/g, "$&-");
}
