import { hash, randomBytes } from "node:crypto";

/** Creates a challenge of 256 bits, in base64url; also the challenge of WebAuthn options. */
export function createChallenge(): string {
  return randomBytes(32).toString("base64url");
}

/** The digest by which the database identifies a challenge: SHA-256. */
export function digestOfChallenge(text: string): Buffer {
  return hash("sha256", text, "buffer");
}
