import { z } from "zod";

export const SIGN_METHODS = [
  "HS256",
  "HS384",
  "HS512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;

/** A JWS algorithm (RFC 7518, RFC 8037) that tokens may be signed with. */
export type SignMethod = (typeof SIGN_METHODS)[number];

const signMethod = z.enum(SIGN_METHODS).meta({ title: "algorithm" });

const secretType = z
  .enum(["plain", "base64plain", "base64key", "keyfile"])
  .describe(
    "how `value` is meant: as it is (`plain`), in base64 (`base64plain`, `base64key`), or as a path (`keyfile`)",
  );

const secret = z
  .strictObject({
    type: secretType,
    value: z.string().min(1).describe("the secret, the PEM, its base64, or the path of its file"),
  })
  .meta({ title: "secret" });

/** `jwt_validation`: one issuer whose access tokens are accepted. */
export const issuerSchema = z.strictObject({
  name: z.string().min(1).describe("the `iss` claim of this issuer's tokens"),
  secret: secret.describe("its public key, or shared secret (HS*)"),
  methods: z
    .array(signMethod)
    .min(1)
    .describe("the algorithms that its tokens may use; HS* cannot be mixed with others"),
  audience: z
    .string()
    .min(1)
    .optional()
    .describe(
      "given, its tokens must have it in `aud`: else one that was meant for another service is good here, too",
    ),
});

const signingSecret = secret.extend({
  secret: z
    .string()
    .optional()
    .describe("in `jwt_creation` only: the passphrase of an encrypted private key"),
});

const ringKey = signingSecret.extend({
  signmethod: signMethod.optional().describe("its algorithm; jwt_creation.signmethod unless given"),
});

const keyRing = z.strictObject({
  active: ringKey.describe("signs"),
  next: ringKey
    .optional()
    .describe("signs after the next rotation; published, so that verifiers know it by then"),
  retiring: z
    .array(ringKey.extend({ until: z.iso.datetime().describe("verifies so long, UTC") }))
    .default([])
    .describe("have signed tokens that are still valid"),
});

/** `jwt_creation`: how this installation signs its tokens. */
export const jwtCreation = z.strictObject({
  issuer: z.string().min(1).describe("the `iss` claim of the tokens that this installation issues"),
  signmethod: signMethod.describe("the algorithm of new tokens"),
  secret: signingSecret
    .optional()
    .meta({ title: "secret" })
    .describe("the private key, or the shared secret of HS*, where there is only one"),
  keys: keyRing.optional().describe("instead of `secret`: a key ring, as `authmq keys rotate` writes it"),
  fingerprint_key: signingSecret
    .optional()
    .meta({ title: "secret" })
    .describe(
      "what the key of stored digests is made of, so that they outlive a rotation; the active key unless given",
    ),
  audience: z
    .string()
    .min(1)
    .optional()
    .describe("the `aud` claim of access tokens; given, own access tokens without it are refused"),
});

/** A shared secret or key as the file names it. */
export type SecretSetting = z.output<typeof signingSecret>;

/** A key of the ring as the file names it. */
export type RingKeySetting = z.output<typeof ringKey>;
