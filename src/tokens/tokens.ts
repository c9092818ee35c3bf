import type { IssuerConfig, SigningConfig } from "../config/issuers.ts";
import { createFingerprints, type Fingerprints } from "./fingerprint.ts";
import { createIssuer, type TokenIssuer } from "./issuer.ts";
import { createJwks, type JwkSet } from "./jwks.ts";
import { createValidator, type TokenValidator } from "./validator.ts";

/** Everything that uses the keys of one configuration; a key change replaces it as a whole. */
export interface Tokens {
  readonly issuer: TokenIssuer;
  readonly validator: TokenValidator;
  readonly jwks: () => JwkSet;
  readonly fingerprints: Fingerprints;
}

/** Creates tokens for these keys; `maxLength` is the maximum length of a signed token, in characters. */
export async function createTokens(
  signing: SigningConfig,
  issuers: readonly IssuerConfig[],
  maxLength?: number,
): Promise<Tokens> {
  return {
    issuer: await createIssuer(signing, maxLength),
    validator: createValidator(signing, issuers),
    jwks: await createJwks(signing),
    fingerprints: createFingerprints(signing.fingerprintKey ?? signing.key),
  };
}
