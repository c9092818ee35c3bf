import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { z } from "zod";
import type { IssuerConfig, SigningConfig, VerificationKey } from "../config/issuers.ts";
import type { Grant } from "../db/queries/granted.ts";
import { readRowId } from "../db/row-id.ts";
import { readCompact } from "../wire/compact.ts";
import { accessClaims, idClaims, isWithinLifetime, setupClaims } from "./claims.ts";
import type { SetupDetails } from "./issuer.ts";
import { isSignedBy } from "./jws.ts";

/** The caller that an access token identifies. */
export interface Caller {
  readonly username: string;
  readonly groups: readonly string[];
  /** The token's `iat`. */
  readonly issuedAt: Date;
  /** Whether the groups are only some of the user's, as the caller of `token` wanted. */
  readonly isLimited: boolean;
  /** What this installation issued the token for; undefined for tokens of other issuers. */
  readonly grant: Grant | undefined;
  /** When the user logged in; undefined if the token does not say so, as that of an API key. */
  readonly authTime: Date | undefined;
  /** How the login authenticated the user (RFC 8176). */
  readonly amr: readonly string[] | undefined;
}

/** The claims of an ID token; its database row is authoritative. */
export interface IdTokenClaims {
  readonly tokenId: bigint;
  readonly username: string;
  readonly method: string;
  readonly ip: string;
  /** Its `exp`. */
  readonly validUntil: Date;
}

/** A valid setup token. Whether it can still be used depends on the database. */
export interface SetupToken extends SetupDetails {
  readonly username: string;
  /** Its `iat`: the time of the login. */
  readonly issuedAt: Date;
}

/** Verifies tokens; returns undefined for an invalid token, whatever the reason. */
export interface TokenValidator {
  verifyAccessToken(text: string): Caller | undefined;
  verifyIdToken(text: string): IdTokenClaims | undefined;
  /** Verifies a setup token of this installation. Not cached: it is used a few times only. */
  verifySetupToken(text: string): SetupToken | undefined;
  /**
   * Verifies an access token or ID token and returns all its claims. Only the row of an ID token tells whether it
   * is revoked.
   */
  verifyToken(text: string): ValidatedToken | undefined;
}

/** A valid token and its claims. */
export interface ValidatedToken {
  readonly typ: "at+jwt" | "id+jwt";
  readonly claims: Pick<
    z.output<typeof idClaims>,
    keyof Times | "iss" | "sub" | "groups" | "amr" | "auth_time"
  > &
    Partial<Pick<z.output<typeof accessClaims>, "limited" | "vhost" | "aud" | "jti" | "sid" | "api_key_id">>;
  /** What this installation issued an access token for; undefined for ID tokens and tokens of other issuers. */
  readonly grant: Grant | undefined;
}

/** Size of the cache of verified ID tokens; each takes about 300 bytes. */
const MAX_ID_TOKENS = 20_000;

/** Size of the cache of verified access tokens, in characters of the tokens: their groups are cached. */
const MAX_ACCESS_TOKENS = 4_000_000;

interface Times {
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
}

/** A token with a valid signature of its issuer. */
interface Read<Claims> {
  readonly claims: Claims;
  readonly issuer: IssuerConfig;
  readonly key: VerificationKey;
  readonly kid: string | undefined;
  readonly alg: string;
}

type ReadAccess = Read<z.output<typeof accessClaims>> & { readonly grant: Grant | undefined };

/** A cached token; its lifetime is checked on each use. */
interface Cached<T> {
  readonly times: Times;
  readonly key: VerificationKey;
  readonly token: T;
}

/** Creates a validator for the configured issuers. ID tokens are accepted only from this installation. */
export function createValidator(own: SigningConfig, issuers: readonly IssuerConfig[]): TokenValidator {
  const byName = new Map(issuers.map((issuer) => [issuer.name, issuer]));
  const read = <T extends z.ZodType<Times & { iss: string }>>(
    text: string,
    kind: { typ: string; claims: T },
  ): Read<z.output<T>> | undefined => {
    const unverified = readCompact(text);
    if (unverified === undefined || unverified.typ !== kind.typ) return undefined;
    const { alg, kid, payload } = unverified;
    const issuer = typeof payload["iss"] === "string" ? byName.get(payload["iss"]) : undefined;
    if (issuer === undefined) return undefined;
    const key = signerOf(text, alg, issuer);
    if (key === undefined) return undefined;
    const { data } = kind.claims.safeParse(payload);
    return data?.iss === issuer.name ? { claims: data, issuer, key, kid, alg } : undefined;
  };
  const readAccess = (text: string): ReadAccess | undefined => {
    const token = read(text, { typ: "at+jwt", claims: accessClaims });
    if (token === undefined) return undefined;
    const isOwn = token.issuer.name === own.issuer;
    const audience = isOwn ? own.audience : token.issuer.audience;
    if (audience !== undefined && ![token.claims.aud].flat().includes(audience)) return undefined;
    if (!isOwn) return { ...token, grant: undefined };
    const grant = grantOf(token.claims);
    return grant && { ...token, grant };
  };
  const readAccessToken = (text: string): Cached<Caller> | undefined => {
    const token = readAccess(text);
    if (token === undefined) return undefined;
    const { claims, key, grant } = token;
    const { sub: username, groups, iat, limited: isLimited = false, amr, auth_time } = claims;
    const authTime = auth_time === undefined ? undefined : new Date(auth_time * 1000);
    const issuedAt = new Date(iat * 1000);
    return {
      times: timesOf(claims),
      key,
      token: { username, groups, issuedAt, isLimited, grant, authTime, amr },
    };
  };
  const readId = (text: string): Read<z.output<typeof idClaims>> | undefined => {
    const token = read(text, { typ: "id+jwt", claims: idClaims });
    return token?.claims.iss === own.issuer ? token : undefined;
  };
  const readIdToken = (text: string): Cached<IdTokenClaims> | undefined => {
    const token = readId(text);
    const tokenId = readRowId(token?.kid);
    if (token === undefined || tokenId === undefined) return undefined;
    const { sub: username, ip } = token.claims;
    const { claims, key, alg: method } = token;
    const validUntil = new Date(claims.exp * 1000);
    return { times: timesOf(claims), key, token: { tokenId, username, method, ip, validUntil } };
  };
  return {
    verifyAccessToken: cached(readAccessToken, { maxSize: MAX_ACCESS_TOKENS }),
    verifyIdToken: cached(readIdToken, { max: MAX_ID_TOKENS }),
    verifySetupToken(text) {
      const claims = read(text, { typ: "setup+jwt", claims: setupClaims })?.claims;
      if (claims?.iss !== own.issuer || !isWithinLifetime(claims, Date.now() / 1000)) return undefined;
      const { sub: username, ip, vhost, client = null, amr, jti: challenge, iat } = claims;
      return { username, ip, vhost, client, amr, challenge, issuedAt: new Date(iat * 1000) };
    },
    verifyToken(text) {
      const access = readAccess(text);
      const token = access ?? readId(text);
      if (token === undefined || !isWithinLifetime(token.claims, Date.now() / 1000)) return undefined;
      return access === undefined
        ? { typ: "id+jwt", claims: token.claims, grant: undefined }
        : { typ: "at+jwt", claims: token.claims, grant: access.grant };
    },
  };
}

/** The issuer's key that signed a token. The configuration decides which keys are allowed for an algorithm. */
function signerOf(text: string, alg: string, { keys }: IssuerConfig): VerificationKey | undefined {
  const now = Date.now();
  return keys.find((one) => {
    const method = one.methods.find((name) => name === alg);
    return method !== undefined && isInUse(one, now) && isSignedBy(text, method, one.key);
  });
}

/** Whether a key is not retired at `now`, in milliseconds. */
function isInUse({ until }: VerificationKey, now: number): boolean {
  return until === undefined || until.getTime() > now;
}

/** What a token of this installation was issued for; undefined, and so invalid, for one of an earlier version. */
function grantOf({ sid, api_key_id }: z.output<typeof accessClaims>): Grant | undefined {
  const [session, key] = [readRowId(sid), readRowId(api_key_id)];
  if (session !== undefined && api_key_id === undefined) return { sid: session };
  return key !== undefined && sid === undefined ? { apiKeyId: key } : undefined;
}

/** Drops the other claims from the cache. */
function timesOf({ iat, nbf, exp }: Times): Times {
  return { iat, nbf, exp };
}

/**
 * Caches verified tokens by digest, because a signature stays valid. The lifetimes of token and key are checked on each
 * use; a revocation is found in the row. The token itself is not cached.
 */
function cached<T extends object>(
  read: (text: string) => Cached<T> | undefined,
  limit: { readonly max: number } | { readonly maxSize: number },
): (text: string) => T | undefined {
  const cache = new LRUCache<string, Cached<T>>(limit);
  return (text) => {
    const digest = hash("sha256", text, "base64url");
    let found = cache.get(digest);
    if (found === undefined) {
      found = read(text);
      if (found === undefined) return undefined;
      cache.set(digest, found, "maxSize" in limit ? { size: text.length } : {});
    }
    const now = Date.now();
    return isWithinLifetime(found.times, now / 1000) && isInUse(found.key, now) ? found.token : undefined;
  };
}
