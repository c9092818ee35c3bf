import { createPublicKey, type KeyObject } from "node:crypto";
import { calculateJwkThumbprint, exportJWK } from "jose";
import type { SigningConfig, SigningKey } from "../config/issuers.ts";

/** A JWK Set (RFC 7517 section 5) of public keys. */
export interface JwkSet {
  readonly keys: readonly PublicJwk[];
}

/** A public verification key, found by `kid` (RFC 7638), for one `alg`. */
export interface PublicJwk {
  readonly kty: string;
  readonly kid: string;
  readonly alg: string;
  readonly use: "sig";
  /** The parameters of its key type (RFC 7518 section 6, RFC 8037). */
  readonly [parameter: string]: unknown;
}

/**
 * Creates a function that returns the current public keys: those that sign, will sign, and have signed. Empty for HS*.
 */
export async function createJwks({ method, key, reserve }: SigningConfig): Promise<() => JwkSet> {
  const ring = [{ method, key, until: undefined }, ...reserve];
  const published = await Promise.all(
    ring.map(async (one) => ({ until: one.until, jwk: await publicJwkOf(one) })),
  );
  return () => {
    const now = new Date();
    return {
      keys: published.flatMap(({ until, jwk }) =>
        jwk === undefined || (until !== undefined && until <= now) ? [] : [jwk],
      ),
    };
  };
}

/** The id of an asymmetric key (RFC 7638); undefined for a shared secret, about which nothing is published. */
export async function keyIdOf(key: KeyObject): Promise<string | undefined> {
  return key.type === "private" ? calculateJwkThumbprint(await exportJWK(createPublicKey(key))) : undefined;
}

async function publicJwkOf({ key, method }: SigningKey): Promise<PublicJwk | undefined> {
  const kid = await keyIdOf(key);
  if (kid === undefined) return undefined;
  const { kty = "", ...parameters } = await exportJWK(createPublicKey(key));
  return { ...parameters, kty, kid, alg: method, use: "sig" };
}
