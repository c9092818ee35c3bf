import { compactVerify, type CryptoKey } from "jose";
import type { KeyObject } from "node:crypto";
import { readCompact } from "../wire/compact.ts";
import { type AccessClaims, isCurrent, readClaims } from "./claims.ts";
import { a, check, checked, listOf, oneOf, optionsOf, text } from "./check.ts";
import { TokenError } from "./errors.ts";
import {
  asymmetricAlgorithms,
  isSymmetricAlgorithm,
  keySet,
  type KeySource,
  openKeys,
  publicKeys,
  secretBytes,
} from "./keys.ts";

/** Options of `createVerifier`. */
export type VerifierOptions = KeySource & {
  /** The issuer whose tokens are accepted: `jwt_creation.issuer` of the installation. */
  readonly issuer: string;
  /** The audience that tokens must have: `jwt_creation.audience`, if set. */
  readonly audience?: string | undefined;
  /** The accepted signature algorithms. Default: all algorithms with public keys; required with a secret. */
  readonly algorithms?: readonly string[] | undefined;
  /** The broker vhost that tokens must be valid for. Default: any vhost. */
  readonly vhost?: string | undefined;
  /** How many seconds clocks may differ. Default: 30. */
  readonly clockTolerance?: number | undefined;
  /** Revocations to reject tokens by, from `createRevocationList`. Default: tokens are valid until they expire. */
  readonly revocations?: Revocations | undefined;
};

/** Tells whether a token was revoked. */
export interface Revocations {
  isRevoked(claims: AccessClaims): boolean;
}

/** Further requirements on a token. */
export interface Demands {
  /** The user must be in at least one group of `anyOf`, and in all groups of `allOf`. */
  readonly groups?: { readonly anyOf?: readonly string[]; readonly allOf?: readonly string[] } | undefined;
  /** The vhost that this token must be valid for. */
  readonly vhost?: string | undefined;
  /** The login must have used at least one method of `anyOf`, and all methods of `allOf` (RFC 8176). */
  readonly amr?: { readonly anyOf?: readonly string[]; readonly allOf?: readonly string[] } | undefined;
  /** The maximum age of the login, in seconds. A token that does not say when the login was is rejected. */
  readonly maxAge?: number | undefined;
}

/** The contents of a valid access token. */
export interface VerifiedToken {
  readonly user: string;
  readonly groups: readonly string[];
  readonly vhost: string | undefined;
  /** The id of the session; undefined for the token of an API key. */
  readonly sid: string | undefined;
  /** The id of the API key; undefined for the token of a session. */
  readonly apiKeyId: string | undefined;
  /** How the login authenticated the user (RFC 8176); undefined if the token does not say so. */
  readonly amr: readonly string[] | undefined;
  /** When the user logged in; undefined if the token does not say so, as that of an API key. */
  readonly authTime: Date | undefined;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  /** All claims of the token. */
  readonly claims: AccessClaims;
}

/** Verifies access tokens. */
export interface Verifier {
  /** Resolves for a valid access token that meets the requirements; rejects with a TokenError otherwise. */
  readonly verify: (token: string | undefined, demands?: Demands) => Promise<VerifiedToken>;
}

const CLOCK_TOLERANCE = 30;

const seconds = a("a number of seconds, 0 or more", (value) => Number.isFinite(value) && Number(value) >= 0);

const common = {
  issuer: text,
  audience: text,
  algorithms: listOf(text),
  vhost: text,
  clockTolerance: seconds,
  revocations: a(
    "a list from createRevocationList",
    // Object() accepts any value, so that its member can be checked.
    (value) => typeof (Object(value) as { isRevoked?: unknown }).isRevoked === "function",
  ),
};

const kinds = oneOf({
  keys: optionsOf({ keys: publicKeys, ...common }, ["issuer"]),
  jwks: optionsOf({ jwks: keySet, ...common }, ["issuer"]),
  secret: optionsOf({ secret: secretBytes, ...common }, ["issuer", "algorithms"]),
});

// Reject unknown members: a misspelt requirement, or a bare list of groups, would accept every token.
const someOrAll = optionsOf({ anyOf: listOf(text), allOf: listOf(text) });
const demandKinds = optionsOf({ groups: someOrAll, vhost: text, amr: someOrAll, maxAge: seconds });

/** A verifier for the access tokens of one issuer; throws a TypeError for invalid options, keys or algorithms. */
export function createVerifier(given: VerifierOptions): Verifier {
  const options = checked("createVerifier", given, kinds);
  const { issuer, audience, vhost, clockTolerance = CLOCK_TOLERANCE, revocations } = options;
  const algorithms = algorithmsOf(options);
  const findKeys = openKeys(options, algorithms);

  async function verify(text: string | undefined, demands: Demands = {}): Promise<VerifiedToken> {
    check("verify", demands, demandKinds);
    if (typeof text !== "string" || text === "") throw invalid("it is missing");
    const token = readCompact(text);
    if (token === undefined) throw invalid("it is malformed");
    const { alg, kid, payload } = token;
    if (token.typ !== "at+jwt") throw invalid("it is another type of token");
    if (!algorithms.includes(alg)) throw invalid("its signature algorithm is not accepted");
    if (payload["iss"] !== issuer) throw invalid("it is from another issuer");
    const keys = await findKeys({ alg, kid });
    if (!(await isSignedByOneOf(keys, text, alg))) throw invalid("no key verifies its signature");
    const claims = readClaims(payload);
    if (claims === undefined) throw invalid("its claims are not those of an access token");
    if (!isCurrent(claims, Date.now() / 1000, clockTolerance))
      throw invalid("it has expired, or is not valid yet");
    if (revocations?.isRevoked(claims) === true) throw invalid("it was revoked");
    if (audience !== undefined && ![claims.aud].flat().includes(audience))
      throw invalid("it is for another audience");
    for (const wanted of [vhost, demands.vhost])
      if (wanted !== undefined && claims.vhost !== wanted) throw forbidden("the token is for another vhost");
    if (!satisfies(claims.groups, demands.groups)) throw forbidden("the user is not in the required groups");
    const { amr, auth_time } = claims;
    // Last: a login does not help a user without the groups.
    if (!satisfies(amr ?? [], demands.amr)) throw insufficient("the login has not used the required methods");
    if (!isRecent(auth_time, demands.maxAge)) throw insufficient("the login is too old");
    return {
      user: claims.sub,
      groups: claims.groups,
      vhost: claims.vhost,
      sid: claims.sid,
      apiKeyId: claims.api_key_id,
      amr,
      authTime: auth_time === undefined ? undefined : new Date(auth_time * 1000),
      issuedAt: new Date(claims.iat * 1000),
      expiresAt: new Date(claims.exp * 1000),
      claims,
    };
  }

  return { verify };
}

/** The accepted algorithms. Never HS* with a public key, because anyone who has the key could then sign tokens. */
function algorithmsOf(options: VerifierOptions): readonly string[] {
  const known = asymmetricAlgorithms();
  const { algorithms = "secret" in options ? [] : known } = options;
  const fits = "secret" in options ? isSymmetricAlgorithm : (name: string): boolean => known.includes(name);
  if (algorithms.length > 0 && algorithms.every(fits)) return algorithms;
  throw new TypeError(
    "secret" in options
      ? "with a secret, algorithms must be one or more of HS256, HS384, HS512"
      : `algorithms must be one or more of ${known.join(", ")}`,
  );
}

async function isSignedByOneOf(
  keys: readonly (CryptoKey | KeyObject)[],
  text: string,
  alg: string,
): Promise<boolean> {
  for (const key of keys) {
    const isSigned = await compactVerify(text, key, { algorithms: [alg] }).then(
      () => true,
      () => false,
    );
    if (isSigned) return true;
  }
  return false;
}

/** Whether a list of a token satisfies a requirement. */
function satisfies(
  list: readonly string[],
  { anyOf, allOf = [] }: NonNullable<Demands["groups"]> = {},
): boolean {
  const isListed = (name: string): boolean => list.includes(name);
  return (anyOf === undefined || anyOf.some(isListed)) && allOf.every(isListed);
}

/** Whether a login was at most `maxAge` seconds ago; true without a maximum. */
function isRecent(authTime: number | undefined, maxAge: number | undefined): boolean {
  if (maxAge === undefined) return true;
  return authTime !== undefined && Date.now() / 1000 - authTime <= maxAge;
}

function invalid(why: string): TokenError {
  return new TokenError("INVALID_TOKEN", `the access token is not valid: ${why}`);
}

function forbidden(why: string): TokenError {
  return new TokenError("FORBIDDEN", why);
}

function insufficient(why: string): TokenError {
  return new TokenError("INSUFFICIENT_USER_AUTHENTICATION", why);
}
