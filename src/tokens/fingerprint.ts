import { createHmac, hkdfSync, type KeyObject } from "node:crypto";

/** HMAC-SHA-256 digests of 32 bytes, to recognize data that must not be stored. */
export interface Fingerprints {
  /** The digest of these parts in this order; the purpose separates uses. */
  of(purpose: string, ...parts: readonly (string | Uint8Array)[]): Buffer;
}

/**
 * Creates fingerprints with a key derived from the signing key (HKDF, RFC 5869). Bodies contain passwords: with a plain
 * hash, a reader of the database could guess them at the speed of SHA-256.
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
        // Prefix each part with its length, so that different splits of the same bytes differ.
        hmac.update(`${bytes.length}:`).update(bytes);
      }
      return hmac.digest();
    },
  };
}
