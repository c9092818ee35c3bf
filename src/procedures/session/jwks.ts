import { z } from "zod";
import { defineProcedure } from "../../rpc/procedure.ts";

const jwk = z
  .looseObject({
    kty: z.string(),
    kid: z.string().describe("RFC 7638 thumbprint, the kid of the access tokens that it verifies"),
    alg: z.string(),
    use: z.literal("sig"),
  })
  .describe("a public key (RFC 7517)");

export const getJwks = defineProcedure({
  name: "jwks",
  description: "Gives the public keys that verify access tokens, as a JWK Set (RFC 7517); none for HS*.",
  access: "public",
  input: () => z.object({}),
  output: z.object({ keys: z.array(jwk) }),
  async handler({ jwks }) {
    return { keys: [...jwks().keys] };
  },
});
