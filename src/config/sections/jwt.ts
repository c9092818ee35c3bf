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

/** A JWS algorithm (RFC 7518, RFC 8037) for signing tokens. */
export type SignMethod = (typeof SIGN_METHODS)[number];

const signMethod = z.enum(SIGN_METHODS).meta({ title: "algorithm" });

const secretType = z
  .enum(["plain", "base64plain", "base64key", "keyfile"])
  .describe(
    "format of `value`: the secret itself (`plain`), base64 (`base64plain`, `base64key`) or a file path (`keyfile`)",
  );

/** A secret or key as text, as base64 or as a file. */
export const secretSchema = z
  .strictObject({
    type: secretType,
    value: z.string().min(1).describe("secret or PEM key, as text, as base64, or as the path of its file"),
  })
  .meta({ title: "secret" });

/** An entry of `jwt_validation`: a trusted issuer of access tokens. */
export const issuerSchema = z.strictObject({
  name: z.string().min(1).describe("issuer name: the `iss` claim of its tokens"),
  secret: secretSchema.describe("public key of the issuer, or shared secret (HS*)"),
  methods: z.array(signMethod).min(1).describe("accepted algorithms; HS* cannot be mixed with others"),
  audience: z
    .string()
    .min(1)
    .optional()
    .describe(
      "required `aud` claim; without it, authmq also accepts tokens that were issued for other services",
    ),
});

const signingSecret = secretSchema.extend({
  secret: z.string().optional().describe("passphrase of an encrypted private key; only in `jwt_creation`"),
});

const ringKey = signingSecret.extend({
  signmethod: signMethod.optional().describe("algorithm of the key; by default `jwt_creation.signmethod`"),
});

const keyRing = z.strictObject({
  active: ringKey.describe("key that signs new tokens"),
  next: ringKey
    .optional()
    .describe("key that signs after the next rotation; published in the JWK Set before it is used"),
  retiring: z
    .array(
      ringKey.extend({
        until: z.iso.datetime().describe("time when the key stops verifying tokens, in UTC"),
      }),
    )
    .default([])
    .describe("old keys that only verify tokens which are still valid"),
});

/** `jwt_creation`: how authmq signs its tokens. */
export const jwtCreation = z.strictObject({
  issuer: z.string().min(1).describe("the `iss` claim of issued tokens"),
  signmethod: signMethod.describe("algorithm of issued tokens"),
  secret: signingSecret
    .optional()
    .meta({ title: "secret" })
    .describe("private key, or shared secret for HS*, if there is only one key"),
  keys: keyRing.optional().describe("key ring, instead of `secret`; `authmq keys rotate` writes it"),
  fingerprint_key: signingSecret
    .optional()
    .meta({ title: "secret" })
    .describe(
      "secret for stored digests, so that they stay valid after a key rotation; by default the active key",
    ),
  audience: z
    .string()
    .min(1)
    .optional()
    .describe(
      "the `aud` claim of issued access tokens; if set, authmq's access tokens without it are rejected",
    ),
  legacy_header_claims: z
    .boolean()
    .default(false)
    .describe(
      "whether the header of access tokens has copies of the claims, for services that verify like py_auth_micro; only " +
        "with HS* and RS*, and without `audience`",
    ),
});

/** A shared secret or key in the configuration file. */
export type SecretSetting = z.output<typeof signingSecret>;

/** A key of the ring as the file names it. */
export type RingKeySetting = z.output<typeof ringKey>;
