import type { KeyObject } from "node:crypto";
import { CompactSign } from "jose";

/** A JSON object, or text or bytes that JSON.stringify would not write. */
type Json = Readonly<Record<string, unknown>> | string | Uint8Array;

/** Signs any payload with any header, as a forger or another issuer could. */
export async function craft(
  header: { alg: string } & Record<string, unknown>,
  payload: Json,
  key: KeyObject | Uint8Array,
): Promise<string> {
  const isText = typeof payload === "string" || payload instanceof Uint8Array;
  const bytes = Buffer.from(isText ? payload : JSON.stringify(payload));
  const known = Object.fromEntries(((header["crit"] ?? []) as string[]).map((name) => [name, true]));
  return new CompactSign(bytes).setProtectedHeader(header).sign(key, { crit: known });
}

/** Claims of an access token that is valid now; an undefined change removes a claim. */
export function accessClaims(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: "authmq",
    sub: "alice",
    user: "alice",
    groups: [],
    vhost: "prod",
    iat: now,
    nbf: now,
    exp: now + 300,
    jti: "of-a-test",
    ...changes,
  };
}

/** The time that is this many seconds from now, in seconds since the epoch. */
export function secondsFromNow(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

/** Sets a spare bit in the last character of a token's part: decoders still read the same bytes. */
export function withSpareBits(part: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const last = alphabet.indexOf(part.slice(-1));
  return part.slice(0, -1) + String(alphabet[last + 1]);
}

/** A part of a token, decoded as JSON. */
export function decodePart(token: string, index: 0 | 1): Record<string, unknown> {
  const text = Buffer.from(token.split(".")[index] ?? "", "base64url").toString();
  return JSON.parse(text) as Record<string, unknown>;
}
