export type { AccessClaims } from "./claims.ts";
export { TokenError } from "./errors.ts";
export type { Jwk, KeySet, KeySource, PublicKey } from "./keys.ts";
export {
  createVerifier,
  type Demands,
  type Revocations,
  type VerifiedToken,
  type Verifier,
  type VerifierOptions,
} from "./verifier.ts";
