import { z } from "zod";
import { defineProcedure } from "../../rpc/procedure.ts";

const jwk = z
  .looseObject({
    kty: z.string().describe("key type: OKP, EC or RSA"),
    kid: z
      .string()
      .describe("key id (RFC 7638 thumbprint): the `kid` of the access tokens that the key verifies"),
    alg: z.string().describe("algorithm of the tokens that the key verifies"),
    use: z.literal("sig").describe("key use: verifies signatures"),
  })
  .describe("public key (RFC 7517)");

export const jwks = defineProcedure({
  name: "jwks",
  key: "session_workflow_get_jwks",
  namespace: "session",
  method: "getJwks",
  description: "Returns the public keys that verify access tokens, as a JWK Set (RFC 7517); empty for HS*.",
  access: "public",
  input: () => z.object({}),
  output: z.object({ keys: z.array(jwk).describe("public keys (RFC 7517)") }),
  example: {
    request: {},
    reply: {
      keys: [
        {
          kty: "OKP",
          crv: "Ed25519",
          x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
          kid: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
          alg: "EdDSA",
          use: "sig",
        },
      ],
    },
  },
  async handler({ jwks }) {
    return { keys: [...jwks().keys] };
  },
});
