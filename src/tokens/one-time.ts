import { hash } from "node:crypto";
import type { TokenPurpose } from "../db/tables.ts";
import type { Fingerprints } from "./fingerprint.ts";

/**
 * A token that is good once, of 256 bits. It is made again of the id of the event that it goes out with, so that it is
 * stored nowhere: who reads the database can neither find it nor make it.
 */
export function deriveOneTimeToken(
  fingerprints: Fingerprints,
  purpose: TokenPurpose,
  eventId: string,
): string {
  return fingerprints.of(`one-time token: ${purpose}`, eventId).toString("base64url");
}

/** The digest by which such a token is known in the database. */
export function digestOfOneTimeToken(text: string): Buffer {
  return hash("sha256", text, "buffer");
}
