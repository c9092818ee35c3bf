import { z } from "zod";

/** Characters of a field in base64url: an attestation with certificates has some thousand. */
const MAX_LENGTH = 16_384;

const bytes = (what: string, max = MAX_LENGTH) =>
  z
    .string("must be a string")
    .max(max, `must have at most ${max} characters`)
    .regex(/^[A-Za-z0-9_-]+$/, "must be base64url without padding")
    .describe(what);

/** A credential id has at most 1023 bytes (WebAuthn Level 3 section 4). */
const credentialId = (what: string) => bytes(what, 1364);

const common = {
  id: credentialId("credential id, base64url"),
  rawId: credentialId("the same as id"),
  type: z.literal("public-key", "must be public-key").describe("kind of credential"),
  // Not a record: callers pass the type of their WebAuthn library, which has no index signature.
  clientExtensionResults: z
    .unknown()
    .optional()
    .transform(() => ({}))
    .describe("ignored"),
};

/** The JSON form of what `navigator.credentials.get` returns: AuthenticationResponseJSON (WebAuthn Level 3 section 5.1). */
export function passkeyAssertion() {
  return z
    .object(
      {
        ...common,
        response: z
          .object({
            clientDataJSON: bytes("client data"),
            authenticatorData: bytes("authenticator data"),
            signature: bytes("signature"),
            userHandle: bytes("user handle", 100).nullish().describe("user handle"),
          })
          .transform(({ userHandle, ...rest }) => (userHandle == null ? rest : { ...rest, userHandle }))
          .describe("what the authenticator signed, with its signature"),
      },
      "must be an object",
    )
    .describe("response of `navigator.credentials.get`, in JSON form (`toJSON()`)");
}

/** The JSON form of what `navigator.credentials.create` returns: RegistrationResponseJSON (WebAuthn Level 3 section 5.1). */
export function passkeyRegistration() {
  return z
    .object(
      {
        ...common,
        response: z
          .object({
            clientDataJSON: bytes("client data"),
            attestationObject: bytes("attestation object"),
            transports: z
              .array(z.string("must be a string").max(32), "must be a list")
              .max(10)
              .nullish()
              .transform((transports) => transports ?? [])
              .describe("how the browser can reach the authenticator"),
          })
          .describe("what the authenticator created"),
      },
      "must be an object",
    )
    .describe("response of `navigator.credentials.create`, in JSON form (`toJSON()`)");
}
