import { attack, type Attack, attacks } from "../attack.ts";
import { INVALID_TOKEN } from "../envelopes.ts";
import { assemble, fixed, hmac, pemOf, type Json, type Sign, unsigned } from "../forge.ts";
import { partner, reseller, untrusted, type AttackFixture } from "../fixture.ts";

const ADMIN = { groups: ["admin"] };

/** A request with the attacker's own token, which claims to be an administrator's. */
function forged(
  { ownClaims }: AttackFixture,
  header: Json,
  sign: Sign,
  claims: Record<string, unknown> = ADMIN,
) {
  const access_token = assemble(header, ownClaims(claims), sign);
  return { request: { groupname: "forged", access_token }, reply: INVALID_TOKEN };
}

const typ = "at+jwt";

const NO_ALGORITHM: Readonly<Record<string, Json>> = {
  none: { alg: "none", typ },
  None: { alg: "None", typ },
  nOnE: { alg: "nOnE", typ },
  "none and a NUL": { alg: "none\0", typ },
  null: { alg: null, typ },
  "a list with none": { alg: ["none"], typ },
  "a list with the right alg": { alg: ["EdDSA"], typ },
  absent: { typ },
  "a duplicate, none second": `{"alg":"EdDSA","typ":"${typ}","alg":"none"}`,
  "a duplicate, none first": `{"alg":"none","typ":"${typ}","alg":"EdDSA"}`,
};

const unsignedTokens = [
  ...attacks("a token without a signature whose alg is", "group_create", NO_ALGORITHM, (header, fixture) =>
    forged(fixture, header, unsigned),
  ),
  ...attacks(
    "a token whose alg is none and whose signature is",
    "group_create",
    {
      "one byte": Buffer.alloc(1),
      "its own header": Buffer.from('{"alg":"none"}'),
    },
    (signature, fixture) => forged(fixture, { alg: "none", typ }, fixed(signature)),
  ),
  attack(
    "a valid token whose header was changed to none, with its signature",
    "group_create",
    async ({ adminToken }) => {
      const [, payload, signature] = (await adminToken()).split(".");
      const header = Buffer.from(JSON.stringify({ alg: "none", typ })).toString("base64url");
      const access_token = `${header}.${payload}.${signature}`;
      return { request: { groupname: "forged", access_token }, reply: INVALID_TOKEN };
    },
  ),
];

const HASHES = { HS256: "sha256", HS384: "sha384", HS512: "sha512" } as const;

/** Encodings of a public key that an attacker could use as a shared secret. */
const AS_SECRETS: Readonly<Record<string, (key: AttackFixture["own"]["publicKey"]) => string | Buffer>> = {
  "its PEM": pemOf,
  "its PEM without the last newline": (key) => pemOf(key).trimEnd(),
  "its DER": (key) => key.export({ type: "spki", format: "der" }),
  "its base64": (key) => key.export({ type: "spki", format: "der" }).toString("base64"),
  "its JWK": (key) => JSON.stringify(key.export({ format: "jwk" })),
  "its bare number": (key) => {
    const { x, n } = key.export({ format: "jwk" });
    return Buffer.from(x ?? n ?? "", "base64url");
  },
};

/** HMAC tokens with a public key as the secret, in the name of the key's issuer. */
function confused(
  iss: string,
  keyOf: (fixture: AttackFixture) => AttackFixture["own"]["publicKey"],
  alg: keyof typeof HASHES,
  forms: readonly string[],
): Attack[] {
  return forms.map((form) =>
    attack(`${alg} with the public key of ${iss} as the secret: ${form}`, "group_create", (fixture) =>
      forged(fixture, { alg, typ }, hmac(HASHES[alg], AS_SECRETS[form]!(keyOf(fixture))), { ...ADMIN, iss }),
    ),
  );
}

const confusion = [
  ...confused("authmq", ({ own }) => own.publicKey, "HS256", Object.keys(AS_SECRETS)),
  ...confused("authmq", ({ own }) => own.publicKey, "HS384", ["its PEM", "its bare number"]),
  ...confused("authmq", ({ own }) => own.publicKey, "HS512", ["its PEM", "its bare number"]),
  ...confused("partner", () => partner.publicKey, "HS256", ["its PEM", "its DER", "its bare number"]),
  ...confused("reseller", () => reseller.publicKey, "HS256", ["its PEM", "its DER", "its bare number"]),
  ...Object.entries(HASHES).map(([alg, hash]) =>
    attack(
      `${alg} with the public key of an RS256 installation as the secret`,
      "group_create",
      (fixture) => forged(fixture, { alg, typ }, hmac(hash, pemOf(fixture.own.publicKey))),
      "closed",
    ),
  ),
  ...attacks(
    "HS256 with a guessed secret:",
    "group_create",
    {
      "an empty string": "",
      secret: "secret",
      "the issuer's name": "authmq",
      "32 zero bytes": Buffer.alloc(32),
    },
    (secret, fixture) => forged(fixture, { alg: "HS256", typ }, hmac("sha256", secret)),
  ),
];

const untrustedKeys = [
  ...attacks(
    "a token of an unknown key, with the alg",
    "group_create",
    {
      EdDSA: untrusted.ed25519.sign,
      ES256: untrusted.ec.sign,
      RS256: untrusted.rsa.sign,
    },
    (sign, fixture, alg) => forged(fixture, { alg, typ }, sign),
  ),
  ...attacks(
    "a token signed with the right key, with another name of its alg:",
    "group_create",
    { Ed25519: "Ed25519", eddsa: "eddsa", "EdDSA and a space": "EdDSA ", ES256: "ES256", Ed448: "Ed448" },
    (alg, { signedAccess }) => ({
      request: { groupname: "forged", access_token: signedAccess(ADMIN, { alg }) },
      reply: INVALID_TOKEN,
    }),
  ),
  ...attacks(
    "a signature that verifies everything in a faulty implementation:",
    "group_create",
    {
      "EdDSA of 64 zeros": { alg: "EdDSA", iss: "authmq", signature: Buffer.alloc(64) },
      "EdDSA with the neutral point": {
        alg: "EdDSA",
        iss: "authmq",
        signature: Buffer.concat([Buffer.from([1]), Buffer.alloc(63)]),
      },
      "ES256 of two zeros": { alg: "ES256", iss: "reseller", signature: Buffer.alloc(64) },
      "RS256 of zeros": { alg: "RS256", iss: "partner", signature: Buffer.alloc(256) },
      "HS256 of nothing": { alg: "HS256", iss: "legacy", signature: Buffer.alloc(0) },
    },
    ({ alg, iss, signature }, fixture) => forged(fixture, { alg, typ }, fixed(signature), { ...ADMIN, iss }),
  ),
];

/** The attacker has only a verification key, and forges tokens with other algorithms. */
export const forgedAlgorithms: Attack[] = [...unsignedTokens, ...confusion, ...untrustedKeys];
