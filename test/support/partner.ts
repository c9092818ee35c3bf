import { createPrivateKey, createPublicKey } from "node:crypto";
import { generateSecret } from "../../src/config/generate-key.ts";
import { createIssuer } from "../../src/tokens/issuer.ts";

const NAME = "tests";

/** Another issuer that an installation trusts: its tokens need no session and no account. */
export interface Partner {
  /** Its entry in `jwt_validation`. */
  readonly entry: Readonly<Record<string, unknown>>;
  /** Signs an access token with these groups for a username, which need not exist. */
  accessToken(username: string, groups?: readonly string[], lifetime?: number): string;
}

/** Creates an issuer with its own key. */
export async function createPartner(name = NAME): Promise<Partner> {
  const { secret } = generateSecret("EdDSA");
  const key = createPrivateKey(secret);
  const issuer = await createIssuer({
    issuer: name,
    method: "EdDSA",
    key,
    audience: undefined,
    reserve: [],
    fingerprintKey: undefined,
  });
  const pem = createPublicKey(key).export({ type: "spki", format: "pem" });
  return {
    entry: {
      name,
      secret: { type: "base64key", value: Buffer.from(pem).toString("base64") },
      methods: ["EdDSA"],
    },
    accessToken: (username, groups = [], lifetime = 300) =>
      // Only the installation that signed a token looks its session up.
      issuer.signAccessToken({ username, groups }, { grant: { sid: 0n }, vhost: "prod", lifetime }),
  };
}
