import { createPublicKey, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, exportJWK } from "jose";
import type { SigningConfig } from "../config/issuers.ts";
import { encodePart, signCompact } from "./jws.ts";

/** The user that a token speaks of. */
export interface Subject {
  readonly username: string;
  readonly groups: readonly string[];
}

/** Signs this installation's tokens. */
export interface TokenIssuer {
  /** The JWS algorithm of every token that it signs. */
  readonly method: string;
  /** A signed ID token, named by the id of its row; `issuedAt` goes into `iat` and `nbf`, `validUntil` into `exp`. */
  signIdToken(
    subject: Subject,
    token: { tokenId: bigint; ip: string; issuedAt: Date; validUntil: Date },
  ): string;
  /** A signed access token (RFC 9068) for one vhost, valid for `lifetime` seconds. */
  signAccessToken(subject: Subject, token: { vhost: string; lifetime: number }): string;
}

/** An issuer for the configured key. */
export async function createIssuer({ issuer, method, key, audience }: SigningConfig): Promise<TokenIssuer> {
  const kid = key.type === "private" ? { kid: await thumbprint(createPublicKey(key)) } : {};
  const accessHeader = encodePart({ alg: method, typ: "at+jwt", ...kid });
  const aud = audience === undefined ? {} : { aud: audience };
  const encodeClaims = (
    { username, groups }: Subject,
    claims: Readonly<Record<string, unknown>>,
    issuedAt: number,
    expires: number,
  ): string =>
    encodePart({
      iss: issuer,
      sub: username,
      groups,
      ...claims,
      iat: issuedAt,
      nbf: issuedAt,
      exp: expires,
    });
  return {
    method,
    signIdToken(subject, { tokenId, ip, issuedAt, validUntil }) {
      const header = encodePart({ alg: method, typ: "id+jwt", kid: tokenId.toString() });
      const claims = encodeClaims(subject, { ip }, inSeconds(issuedAt), inSeconds(validUntil));
      return signCompact(header, claims, method, key);
    },
    signAccessToken(subject, { vhost, lifetime }) {
      const now = inSeconds(new Date());
      const more = { user: subject.username, vhost, jti: randomUUID(), ...aud };
      const claims = encodeClaims(subject, more, now, now + Math.max(1, Math.round(lifetime)));
      return signCompact(accessHeader, claims, method, key);
    },
  };
}

/** The id of a public key (RFC 7638). */
async function thumbprint(key: ReturnType<typeof createPublicKey>): Promise<string> {
  return calculateJwkThumbprint(await exportJWK(key));
}

function inSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
