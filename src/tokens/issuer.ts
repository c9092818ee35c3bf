import { createHmac, type KeyObject, randomUUID } from "node:crypto";
import type { SigningConfig, SigningKey } from "../config/issuers.ts";
import type { SignMethod } from "../config/sections/jwt.ts";
import { keyIdOf } from "./jwks.ts";
import { encodePart, signCompact } from "./jws.ts";

/** The user that a token speaks of. */
export interface Subject {
  readonly username: string;
  readonly groups: readonly string[];
}

/** Signs this installation's tokens. */
export interface TokenIssuer {
  /** The `iss` claim of every token that it signs. */
  readonly name: string;
  /** The JWS algorithm of every token that it signs. */
  readonly method: SignMethod;
  /** Tells the key that signs from all others: its thumbprint (RFC 7638), or a digest under a shared secret. */
  readonly signerId: string;
  /**
   * A signed ID token, named by the id of its row; `issuedAt` goes into `iat` and `nbf`, `validUntil` into `exp`. Signed by
   * the key with this `signerId` where there still is one: then it is the same text each time, where the algorithm has no
   * chance in it.
   */
  signIdToken(
    subject: Subject,
    token: { tokenId: bigint; ip: string; issuedAt: Date; validUntil: Date },
    signerId?: string,
  ): string;
  /** A signed access token (RFC 9068) for one vhost, valid for `lifetime` seconds. */
  signAccessToken(subject: Subject, token: { vhost: string; lifetime: number }): string;
  /** A signed token that RabbitMQ takes as a password, valid for `lifetime` seconds; nobody else takes it for anything. */
  signBrokerToken(
    username: string,
    token: { audience: string; scopes: readonly string[]; lifetime: number },
  ): string;
}

/** An issuer for the configured key. */
export async function createIssuer(signing: SigningConfig): Promise<TokenIssuer> {
  const { issuer, method, key, audience } = signing;
  const keyId = await keyIdOf(key);
  const ring = new Map<string, SigningKey>();
  for (const one of signing.reserve) ring.set(await signerIdOf(one.key), one);
  const headerOf = (typ: string): string =>
    encodePart({ alg: method, typ, ...(keyId === undefined ? {} : { kid: keyId }) });
  const [accessHeader, brokerHeader] = [headerOf("at+jwt"), headerOf("rabbitmq+jwt")];
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
    name: issuer,
    method,
    signerId: await signerIdOf(key),
    signIdToken(subject, { tokenId, ip, issuedAt, validUntil }, signer) {
      const by = (signer === undefined ? undefined : ring.get(signer)) ?? signing;
      const header = encodePart({ alg: by.method, typ: "id+jwt", kid: tokenId.toString() });
      const claims = encodeClaims(subject, { ip }, inSeconds(issuedAt), inSeconds(validUntil));
      return signCompact(header, claims, by.method, by.key);
    },
    signAccessToken(subject, { vhost, lifetime }) {
      const now = inSeconds(new Date());
      const more = { user: subject.username, vhost, jti: randomUUID(), ...aud };
      const claims = encodeClaims(subject, more, now, endOf(now, lifetime));
      return signCompact(accessHeader, claims, method, key);
    },
    signBrokerToken(username, { audience: broker, scopes, lifetime }) {
      const now = inSeconds(new Date());
      const times = { iat: now, nbf: now, exp: endOf(now, lifetime) };
      const scope = scopes.join(" "); // RFC 8693 section 4.2
      const claims = { iss: issuer, sub: username, aud: broker, ...times, jti: randomUUID(), scope };
      return signCompact(brokerHeader, encodePart(claims), method, key);
    },
  };
}

function endOf(now: number, lifetime: number): number {
  return now + Math.max(1, Math.round(lifetime));
}

/** Of a shared secret nothing is ever published, but what it has signed is remembered with this. */
async function signerIdOf(key: KeyObject): Promise<string> {
  return (await keyIdOf(key)) ?? createHmac("sha256", key).update("authmq signer id").digest("base64url");
}

function inSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
