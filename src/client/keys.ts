import { createPublicKey, createSecretKey, type JsonWebKey, KeyObject } from "node:crypto";
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  type CryptoKey,
  customFetch,
  errors,
  type JSONWebKeySet,
  type JWK,
} from "jose";
import { a, type Kind, listOf } from "./check.ts";
import { TokenError } from "./errors.ts";
import { Limit } from "./limit.ts";

/** The algorithms whose key a service may have without being able to sign, and what each needs. */
const ASYMMETRIC: Readonly<Record<string, string>> = {
  ...{ RS256: "rsa", RS384: "rsa", RS512: "rsa", PS256: "rsa", PS384: "rsa", PS512: "rsa" },
  ...{ ES256: "prime256v1", ES384: "secp384r1", ES512: "secp521r1" },
  EdDSA: "ed25519",
};

const MIN_RSA_BITS = 2048;

/** So long what fetches a JWK Set may take, in milliseconds. */
const FETCH_TIMEOUT = 10_000;

/** One key: PEM, as Node has it, or as a JWK. */
export type PublicKey = string | KeyObject | JWK;

/** Gives a JWK Set, for example by the queue `jwks`. */
type FetchSet = () => KeySet | Promise<KeySet>;

interface KeySet {
  readonly keys: readonly object[];
}

/** Where the keys of an issuer come from. */
export type KeySource =
  /** Public keys; each that fits a token's algorithm is tried. */
  | { readonly keys: PublicKey | readonly PublicKey[] }
  /** A set of public keys, the address of one, or what fetches one: the key is the one that a token names. */
  | { readonly jwks: JSONWebKeySet | string | URL | FetchSet }
  /** A shared secret for HS*, and then the algorithms must be named: whoever has it can also make tokens. */
  | { readonly secret: string | Uint8Array };

const publicKey = a(
  "PEM, a KeyObject or a JWK",
  (value) => typeof value === "string" || (typeof value === "object" && value !== null),
);

/** What `keys` may be. */
export const publicKeys: Kind = (value, name) =>
  Array.isArray(value) ? listOf(publicKey)(value, name) : publicKey(value, name);

/** What `jwks` may be. */
export const keySet = a("a JWK Set, the address of one, or a function that fetches one", (value) => {
  if (typeof value === "string") return URL.canParse(value);
  if (typeof value === "function" || value instanceof URL) return true;
  return typeof value === "object" && value !== null && "keys" in value && Array.isArray(value.keys);
});

/** What `secret` may be. */
export const secretBytes = a(
  "a string or bytes",
  (value) => typeof value === "string" || value instanceof Uint8Array,
);

const NO_PRIVATE_KEYS = "a service that verifies needs public keys, and no others";

interface Header {
  readonly alg: string;
  readonly kid: string | undefined;
}

/** The keys that a token with this header may be signed with; none when there is no such key. */
export type FindKeys = (header: Header) => Promise<readonly (CryptoKey | KeyObject)[]>;

/** Whether an algorithm is one of a shared secret. */
export function isSymmetricAlgorithm(algorithm: string): boolean {
  return /^HS(?:256|384|512)$/.test(algorithm);
}

/** The algorithms of public keys. */
export function asymmetricAlgorithms(): string[] {
  return Object.keys(ASYMMETRIC);
}

/** What finds keys; throws a TypeError for a key that no token could be checked with. */
export function openKeys(source: KeySource, algorithms: readonly string[]): FindKeys {
  if ("secret" in source) {
    const key = readSecret(source.secret, algorithms);
    return async () => [key];
  }
  if ("jwks" in source) return openSet(source.jwks);
  const keys = [source.keys].flat().map(readKey);
  if (keys.length === 0) throw new TypeError("keys must have at least one public key");
  return async ({ alg }) =>
    keys.filter((key) => key.family === ASYMMETRIC[alg] && (key.alg ?? alg) === alg).map(({ key }) => key);
}

function readSecret(secret: string | Uint8Array, algorithms: readonly string[]): KeyObject {
  const bytes = Buffer.from(secret);
  const needed = Math.max(...algorithms.map((name) => Number(name.slice(2)) / 8));
  if (bytes.length < needed)
    throw new TypeError(`the secret has ${bytes.length} bytes; ${algorithms.join(", ")} needs ${needed}`);
  // Given in place of a secret, a public key would let everybody sign.
  if (bytes.includes("-----BEGIN")) throw new TypeError("the secret is a PEM key: give it as one of keys");
  return createSecretKey(bytes);
}

function readKey(given: PublicKey): { key: KeyObject; family: string | undefined; alg: string | undefined } {
  const isJwk = typeof given === "object" && !(given instanceof KeyObject);
  const isPrivate = isJwk
    ? "d" in given || given.kty === "oct"
    : typeof given === "string"
      ? given.includes("PRIVATE KEY-----")
      : given.type !== "public";
  if (isPrivate) throw new TypeError(NO_PRIVATE_KEYS);
  const key = given instanceof KeyObject ? given : parseKey(isJwk ? fromJwk(given) : given);
  const { asymmetricKeyType: type, asymmetricKeyDetails: { namedCurve, modulusLength = 0 } = {} } = key;
  const family = namedCurve ?? type;
  if (!Object.values(ASYMMETRIC).includes(family ?? "") || (type === "rsa" && modulusLength < MIN_RSA_BITS))
    throw new TypeError(
      `a key must be Ed25519, EC on P-256, P-384 or P-521, or RSA of ${MIN_RSA_BITS} bits; this is ${family}`,
    );
  return { key, family, alg: isJwk ? given.alg : undefined };
}

function parseKey(given: Parameters<typeof createPublicKey>[0]): KeyObject {
  try {
    return createPublicKey(given);
  } catch (cause) {
    throw new TypeError("a key is neither PEM nor a JWK of a public key", { cause });
  }
}

function fromJwk(key: JWK) {
  // Two libraries' names for the same thing.
  return { key: key as JsonWebKey, format: "jwk" as const };
}

function openSet(given: JSONWebKeySet | string | URL | FetchSet): FindKeys {
  const find = typeof given !== "object" || given instanceof URL ? openRemote(given) : openLocal(given);
  return async (header) => {
    try {
      return [await find({ alg: header.alg, ...(header.kid === undefined ? {} : { kid: header.kid }) })];
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return [];
      if (error instanceof errors.JWKSMultipleMatchingKeys) return Array.fromAsync(error);
      throw new TokenError("UNAVAILABLE", "the keys to verify tokens with could not be fetched", {
        cause: error,
      });
    }
  };
}

function openLocal(set: JSONWebKeySet) {
  if (set.keys.some((key) => "d" in key)) throw new TypeError(NO_PRIVATE_KEYS);
  return createLocalJWKSet(set);
}

/** A set that is fetched when it is needed, kept for ten minutes, and fetched again for a key that is not in it. */
function openRemote(given: string | URL | FetchSet) {
  if (typeof given !== "function") return createRemoteJWKSet(new URL(given));
  const fetchSet = async (): Promise<Response> => {
    using limit = new Limit(FETCH_TIMEOUT, () => new Error(`no keys came within ${FETCH_TIMEOUT} ms`));
    return Response.json(await limit.race(Promise.resolve(given())));
  };
  // Whatever fetches it, how long it is kept is jose's business: the address is never asked.
  return createRemoteJWKSet(new URL("jwks:"), { [customFetch]: fetchSet });
}
