import { createPublicKey, createSecretKey, type JsonWebKey, KeyObject, type webcrypto } from "node:crypto";
import { createLocalJWKSet, createRemoteJWKSet, customFetch, type JSONWebKeySet } from "jose";
import { a, type Kind, listOf } from "./check.ts";
import { TokenError } from "./errors.ts";

/** The algorithms with public keys, each with its key type or curve. */
const ASYMMETRIC: Readonly<Record<string, string>> = {
  ...{ RS256: "rsa", RS384: "rsa", RS512: "rsa", PS256: "rsa", PS384: "rsa", PS512: "rsa" },
  ...{ ES256: "prime256v1", ES384: "secp384r1", ES512: "secp521r1" },
  EdDSA: "ed25519",
};

const MIN_RSA_BITS = 2048;

/** Timeout of a function that fetches a JWK Set, in milliseconds. */
const FETCH_TIMEOUT = 10_000;

/** A public key as PEM, Node's KeyObject, or a JWK. */
export type PublicKey = string | KeyObject | Jwk;

/** A JSON Web Key (RFC 7517). */
export interface Jwk {
  readonly kty?: string | undefined;
  readonly alg?: string | undefined;
  readonly kid?: string | undefined;
}

/** Fetches a JWK Set, for example from the queue `jwks`. */
type FetchSet = () => KeySet | Promise<KeySet>;

/** A JSON Web Key Set (RFC 7517, section 5). */
export interface KeySet {
  readonly keys: readonly object[];
}

/** The source of an issuer's keys. */
export type KeySource =
  /** Public keys; the verifier tries each key that fits the token's algorithm. */
  | { readonly keys: PublicKey | readonly PublicKey[] }
  /** A JWK Set, its URL, or a function that fetches it; the token's `kid` selects the key. */
  | { readonly jwks: KeySet | string | URL | FetchSet }
  /** A shared secret for HS256, HS384 or HS512; requires `algorithms`. Every holder of the secret can issue tokens. */
  | { readonly secret: string | Uint8Array };

const publicKey = a(
  "PEM, a KeyObject or a JWK",
  (value) => typeof value === "string" || (typeof value === "object" && value !== null),
);

/** Validates `keys`. */
export const publicKeys: Kind = (value, name) =>
  Array.isArray(value) ? listOf(publicKey)(value, name) : publicKey(value, name);

/** Validates `jwks`. */
export const keySet = a("a JWK Set, its URL, or a function that fetches it", (value) => {
  if (typeof value === "string") return URL.canParse(value);
  if (typeof value === "function" || value instanceof URL) return true;
  return typeof value === "object" && value !== null && "keys" in value && Array.isArray(value.keys);
});

/** Validates `secret`. */
export const secretBytes = a(
  "a string or bytes",
  (value) => typeof value === "string" || value instanceof Uint8Array,
);

const NO_PRIVATE_KEYS =
  "a verifier needs public keys only: replace the private key or secret by its public key";

interface Header {
  readonly alg: string;
  readonly kid: string | undefined;
}

/** Finds the keys that may verify a token with this header; an empty list when there is none. */
export type FindKeys = (header: Header) => Promise<readonly (webcrypto.CryptoKey | KeyObject)[]>;

/** Whether an algorithm uses a shared secret. */
export function isSymmetricAlgorithm(algorithm: string): boolean {
  return /^HS(?:256|384|512)$/.test(algorithm);
}

/** The algorithms that use public keys. */
export function asymmetricAlgorithms(): string[] {
  return Object.keys(ASYMMETRIC);
}

/** Prepares the search for keys; throws a TypeError for a key that cannot verify tokens. */
export function openKeys(source: KeySource, algorithms: readonly string[]): FindKeys {
  if ("secret" in source) {
    const key = readSecret(source.secret, algorithms);
    return async () => [key];
  }
  if ("jwks" in source) return openSet(source.jwks);
  const keys = [source.keys].flat().map(readKey);
  if (keys.length === 0) throw new TypeError("keys must contain at least one public key");
  return async ({ alg }) =>
    keys.filter((key) => key.family === ASYMMETRIC[alg] && (key.alg ?? alg) === alg).map(({ key }) => key);
}

function readSecret(secret: string | Uint8Array, algorithms: readonly string[]): KeyObject {
  const bytes = Buffer.from(secret);
  const needed = Math.max(...algorithms.map((name) => Number(name.slice(2)) / 8));
  if (bytes.length < needed)
    throw new TypeError(`the secret has ${bytes.length} bytes; ${algorithms.join(", ")} needs ${needed}`);
  // A public key used as a secret would let anyone sign tokens.
  if (bytes.includes("-----BEGIN")) throw new TypeError("the secret is a PEM key: pass it as keys");
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
      `a key must be Ed25519, EC on P-256, P-384 or P-521, or RSA with at least ${MIN_RSA_BITS} bits, not ${family}`,
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

function fromJwk(key: Jwk) {
  // Node checks the members when it creates the key.
  return { key: key as JsonWebKey, format: "jwk" as const };
}

function openSet(given: KeySet | string | URL | FetchSet): FindKeys {
  const find = typeof given !== "object" || given instanceof URL ? openRemote(given) : openLocal(given);
  return async (header) => {
    try {
      return [await find({ alg: header.alg, ...(header.kid === undefined ? {} : { kid: header.kid }) })];
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "ERR_JWKS_NO_MATCHING_KEY") return [];
      if (code === "ERR_JWKS_MULTIPLE_MATCHING_KEYS") return allKeysOf(error);
      throw new TokenError("UNAVAILABLE", "could not fetch the public keys that verify tokens", {
        cause: error,
      });
    }
  };
}

/** jose's error for several matching keys iterates over them. */
async function allKeysOf(error: unknown): Promise<webcrypto.CryptoKey[]> {
  const keys: webcrypto.CryptoKey[] = [];
  // The code of the error says that it is of this class, which the bundle of a verifier need not contain for that.
  for await (const key of error as AsyncIterable<webcrypto.CryptoKey>) keys.push(key);
  return keys;
}

function openLocal(set: KeySet) {
  if (set.keys.some((key) => "d" in key)) throw new TypeError(NO_PRIVATE_KEYS);
  // jose checks the members of each key.
  return createLocalJWKSet(set as JSONWebKeySet);
}

/** Fetches the set on demand, caches it for ten minutes, and fetches it again for an unknown key ID. */
function openRemote(given: string | URL | FetchSet) {
  if (typeof given !== "function") return createRemoteJWKSet(new URL(given));
  const fetchSet = async (_: string, { signal }: { readonly signal: AbortSignal }): Promise<Response> => {
    const timedOut = new Promise<never>((_resolve, reject) => {
      signal.addEventListener("abort", () =>
        reject(new Error(`the jwks function returned no keys within ${FETCH_TIMEOUT} ms`)),
      );
    });
    // In a function of its own: an error that it throws at once must not leave `timedOut` without a handler.
    const fetched = (async () => given())();
    return Response.json(await Promise.race([fetched, timedOut]));
  };
  // jose caches the set. It never opens this URL, because customFetch replaces the request.
  return createRemoteJWKSet(new URL("jwks:"), { [customFetch]: fetchSet, timeoutDuration: FETCH_TIMEOUT });
}
