import type { IssuerConfig, SigningConfig } from "../config/issuers.ts";
import { createFingerprints, type Fingerprints } from "./fingerprint.ts";
import { createIssuer, type TokenIssuer } from "./issuer.ts";
import { createJwks, type JwkSet } from "./jwks.ts";
import { createValidator, type TokenValidator } from "./validator.ts";

/** What is done with the keys of one configuration: all of it is replaced at once when the keys change. */
export interface Tokens {
  readonly issuer: TokenIssuer;
  readonly validator: TokenValidator;
  readonly jwks: () => JwkSet;
  readonly fingerprints: Fingerprints;
}

/** Signs and verifies with these keys; what it signs has at most so many characters. */
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
