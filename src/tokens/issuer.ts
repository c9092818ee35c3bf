import { createPublicKey, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, SignJWT } from "jose";
import type { SigningConfig } from "../config/issuers.ts";

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
  ): Promise<string>;
  /** A signed access token (RFC 9068) for one vhost, valid for `lifetime` seconds. */
  signAccessToken(subject: Subject, token: { vhost: string; lifetime: number }): Promise<string>;
}

/** An issuer for the configured key. */
export async function createIssuer({ issuer, method, key, audience }: SigningConfig): Promise<TokenIssuer> {
  const kid = key.type === "private" ? { kid: await thumbprint(createPublicKey(key)) } : {};
  const sign = (
    header: object,
    subject: Subject,
    claims: Record<string, unknown>,
    issuedAt: number,
    expires: number,
  ) =>
    new SignJWT({ ...claims, groups: [...subject.groups] })
      .setProtectedHeader({ alg: method, ...header })
      .setIssuer(issuer)
      .setSubject(subject.username)
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(expires)
      .sign(key);
  return {
    method,
    signIdToken: (subject, { tokenId, ip, issuedAt, validUntil }) => {
      const header = { typ: "id+jwt", kid: tokenId.toString() };
      return sign(header, subject, { ip }, inSeconds(issuedAt), inSeconds(validUntil));
    },
    signAccessToken: (subject, { vhost, lifetime }) => {
      const now = inSeconds(new Date());
      const aud = audience === undefined ? {} : { aud: audience };
      const claims = { user: subject.username, vhost, jti: randomUUID(), ...aud };
      return sign({ typ: "at+jwt", ...kid }, subject, claims, now, now + Math.max(1, Math.round(lifetime)));
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
