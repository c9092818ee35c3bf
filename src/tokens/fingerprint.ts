import { createHmac, hkdfSync, type KeyObject } from "node:crypto";

/** Keyed digests, of 32 bytes, of what must be recognised and not be stored. */
export interface Fingerprints {
  /** The digest of some parts in this order, for one purpose. */
  of(purpose: string, ...parts: readonly (string | Uint8Array)[]): Buffer;
}

/**
 * Fingerprints under a key that is derived from the signing key (HKDF, RFC 5869): bodies carry passwords, and a plain
 * hash of one would let whoever reads the database guess it at the speed of SHA-256.
 */
export function createFingerprints(signingKey: KeyObject): Fingerprints {
  const material =
    signingKey.type === "secret" ? signingKey.export() : signingKey.export({ type: "pkcs8", format: "der" });
  const key = Buffer.from(hkdfSync("sha256", material, "", "authmq request fingerprints", 32));
  return {
    of(purpose, ...parts) {
      const hmac = createHmac("sha256", key).update(`${purpose}\n`);
      for (const part of parts) {
        const bytes = typeof part === "string" ? Buffer.from(part) : part;
        // With its length before it, so that no part can end where another begins.
        hmac.update(`${bytes.length}:`).update(bytes);
      }
      return hmac.digest();
    },
  };
}
