import { hash } from "node:crypto";
import type { TokenPurpose } from "../db/tables.ts";
import type { Fingerprints } from "./fingerprint.ts";

/**
 * Derives a one-time token of 256 bits from the id of its event, so the token is not stored. A reader of the database
 * can neither find nor compute it.
 */
export function deriveOneTimeToken(
  fingerprints: Fingerprints,
  purpose: TokenPurpose,
  eventId: string,
): string {
  return fingerprints.of(`one-time token: ${purpose}`, eventId).toString("base64url");
}

/** The digest by which the database identifies a one-time token. */
export function digestOfOneTimeToken(text: string): Buffer {
  return hash("sha256", text, "buffer");
}
