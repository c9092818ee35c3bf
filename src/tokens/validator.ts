import { compactVerify } from "jose";
import type { z } from "zod";
import type { IssuerConfig, SigningConfig } from "../config/issuers.ts";
import { accessClaims, idClaims, isCurrent } from "./claims.ts";
import { readCompact } from "./compact.ts";

/** Who presented an access token. */
export interface Caller {
  readonly username: string;
  readonly groups: readonly string[];
  /** When the token was issued. */
  readonly issuedAt: Date;
}

/** What an ID token says of itself; its database row has the last word. */
export interface IdTokenClaims {
  readonly tokenId: bigint;
  readonly username: string;
  readonly method: string;
  readonly ip: string;
}

/** Checks tokens; a token that is not in order gives undefined, whatever is wrong with it. */
export interface TokenValidator {
  verifyAccessToken(text: string): Promise<Caller | undefined>;
  verifyIdToken(text: string): Promise<IdTokenClaims | undefined>;
}

const TOKEN_ID = /^(?:0|[1-9]\d{0,18})$/;
const MAX_TOKEN_ID = 2n ** 63n - 1n;

/** A validator for the configured issuers; only the own one can issue ID tokens. */
export function createValidator(own: SigningConfig, issuers: readonly IssuerConfig[]): TokenValidator {
  const byName = new Map(issuers.map((issuer) => [issuer.name, issuer]));
  const verify = async <T extends z.ZodType<{ iss: string; iat: number; nbf: number; exp: number }>>(
    text: string,
    kind: { typ: string; claims: T },
  ): Promise<
    { claims: z.output<T>; issuer: IssuerConfig; kid: string | undefined; alg: string } | undefined
  > => {
    const unverified = readCompact(text);
    if (unverified === undefined || mediaType(unverified.typ) !== kind.typ) return undefined;
    const issuer = byName.get(unverified.issuer);
    if (issuer === undefined) return undefined;
    const verified = await compactVerify(text, issuer.key, { algorithms: [...issuer.methods] }).catch(
      () => undefined,
    );
    if (verified === undefined) return undefined;
    const { data } = kind.claims.safeParse(JSON.parse(new TextDecoder().decode(verified.payload)));
    if (data === undefined || data.iss !== issuer.name || !isCurrent(data, Date.now() / 1000))
      return undefined;
    return { claims: data, issuer, kid: unverified.kid, alg: unverified.alg };
  };
  return {
    async verifyAccessToken(text) {
      const token = await verify(text, { typ: "at+jwt", claims: accessClaims });
      if (token === undefined) return undefined;
      const { sub, groups, iat, aud } = token.claims;
      const audience = token.issuer.name === own.issuer ? own.audience : token.issuer.audience;
      if (audience !== undefined && ![aud].flat().includes(audience)) return undefined;
      return { username: sub, groups, issuedAt: new Date(iat * 1000) };
    },
    async verifyIdToken(text) {
      const token = await verify(text, { typ: "id+jwt", claims: idClaims });
      if (token?.kid === undefined || token.claims.iss !== own.issuer || !TOKEN_ID.test(token.kid))
        return undefined;
      const tokenId = BigInt(token.kid);
      if (tokenId > MAX_TOKEN_ID) return undefined;
      return { tokenId, username: token.claims.sub, method: token.alg, ip: token.claims.ip };
    },
  };
}

/** The `application/` of a media type may be left out, and case does not matter (RFC 7515 section 4.1.9). */
function mediaType(typ: string): string {
  const lower = typ.toLowerCase();
  return lower.startsWith("application/") ? lower.slice("application/".length) : lower;
}
