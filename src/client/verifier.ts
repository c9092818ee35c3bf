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

/** How a verifier is set up. */
export type VerifierOptions = KeySource & {
  /** Whose tokens are accepted: `jwt_creation.issuer` of the installation. */
  readonly issuer: string;
  /** What tokens must be meant for: `jwt_creation.audience`, where that is set. */
  readonly audience?: string | undefined;
  /** What tokens may be signed with: all that the public keys are for, unless given. */
  readonly algorithms?: readonly string[] | undefined;
  /** The broker's vhost that tokens must be for; without it, tokens for every vhost are accepted. */
  readonly vhost?: string | undefined;
  /** By how many seconds clocks may differ: 30 unless given. */
  readonly clockTolerance?: number | undefined;
};

/** What the user of a token must be besides. */
export interface Demands {
  /** A member of at least one of `anyOf`, and of all of `allOf`. */
  readonly groups?: { readonly anyOf?: readonly string[]; readonly allOf?: readonly string[] } | undefined;
  /** The vhost that this one token must be for. */
  readonly vhost?: string | undefined;
}

/** What a good access token says. */
export interface VerifiedToken {
  readonly user: string;
  readonly groups: readonly string[];
  readonly vhost: string | undefined;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  /** All that is in it. */
  readonly claims: AccessClaims;
}

/** Checks access tokens. */
export interface Verifier {
  /** Resolves for an access token that is good now and meets the demands; rejects with a TokenError. */
  readonly verify: (token: string | undefined, demands?: Demands) => Promise<VerifiedToken>;
}

const CLOCK_TOLERANCE = 30;

const common = {
  issuer: text,
  audience: text,
  algorithms: listOf(text),
  vhost: text,
  clockTolerance: a(
    "a number of seconds, 0 or more",
    (value) => Number.isFinite(value) && Number(value) >= 0,
  ),
};

const kinds = oneOf({
  keys: optionsOf({ keys: publicKeys, ...common }, ["issuer"]),
  jwks: optionsOf({ jwks: keySet, ...common }, ["issuer"]),
  secret: optionsOf({ secret: secretBytes, ...common }, ["issuer", "algorithms"]),
});

// One that is misspelt, or a mere list of groups, would let everybody in.
const demandKinds = optionsOf({
  groups: optionsOf({ anyOf: listOf(text), allOf: listOf(text) }),
  vhost: text,
});

/** A verifier of one issuer's access tokens; throws a TypeError for options, keys or algorithms that cannot be used. */
export function createVerifier(given: VerifierOptions): Verifier {
  const options = checked("createVerifier", given, kinds);
  const { issuer, audience, vhost, clockTolerance = CLOCK_TOLERANCE } = options;
  const algorithms = algorithmsOf(options);
  const findKeys = openKeys(options, algorithms);

  async function verify(text: string | undefined, demands: Demands = {}): Promise<VerifiedToken> {
    check("verify", demands, demandKinds);
    if (typeof text !== "string" || text === "") throw invalid("there is none");
    const token = readCompact(text);
    if (token === undefined) throw invalid("it is not one");
    const { alg, kid, payload } = token;
    if (token.typ !== "at+jwt") throw invalid("it is another kind of token");
    if (!algorithms.includes(alg)) throw invalid("its algorithm is not one of those that are accepted");
    if (payload["iss"] !== issuer) throw invalid("it is another issuer's");
    const keys = await findKeys({ alg, kid });
    if (!(await isSignedByOneOf(keys, text, alg))) throw invalid("no key has signed it");
    const claims = readClaims(payload);
    if (claims === undefined) throw invalid("its claims are not those of an access token");
    if (!isCurrent(claims, Date.now() / 1000, clockTolerance))
      throw invalid("it has expired, or is not valid yet");
    if (audience !== undefined && ![claims.aud].flat().includes(audience))
      throw invalid("it is for another audience");
    for (const wanted of [vhost, demands.vhost])
      if (wanted !== undefined && claims.vhost !== wanted) throw forbidden("the token is for another vhost");
    if (!isInGroups(claims.groups, demands.groups)) throw forbidden("the user is not in the groups that may");
    return {
      user: claims.sub,
      groups: claims.groups,
      vhost: claims.vhost,
      issuedAt: new Date(claims.iat * 1000),
      expiresAt: new Date(claims.exp * 1000),
      claims,
    };
  }

  return { verify };
}

/** What may be chosen from; never by the token alone, and never a shared secret's where there is a public key. */
function algorithmsOf(options: VerifierOptions): readonly string[] {
  const known = asymmetricAlgorithms();
  const { algorithms = "secret" in options ? [] : known } = options;
  const fits = "secret" in options ? isSymmetricAlgorithm : (name: string): boolean => known.includes(name);
  if (algorithms.length > 0 && algorithms.every(fits)) return algorithms;
  throw new TypeError(
    "secret" in options
      ? "a secret needs its algorithms: HS256, HS384 or HS512"
      : `algorithms must be some of ${known.join(", ")}`,
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

function isInGroups(
  groups: readonly string[],
  { anyOf, allOf = [] }: NonNullable<Demands["groups"]> = {},
): boolean {
  const isMember = (name: string): boolean => groups.includes(name);
  return (anyOf === undefined || anyOf.some(isMember)) && allOf.every(isMember);
}

function invalid(why: string): TokenError {
  return new TokenError("INVALID_TOKEN", `no valid access token: ${why}`);
}

function forbidden(why: string): TokenError {
  return new TokenError("FORBIDDEN", why);
}
