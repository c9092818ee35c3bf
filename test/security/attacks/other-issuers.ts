import { accessClaims } from "../../tokens/craft.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import { INVALID_TOKEN } from "../envelopes.ts";
import { assemble, hmac, idClaims, pemOf } from "../forge.ts";
import { legacySecret, partner, reseller } from "../fixture.ts";

const SIGNERS = {
  partner: { alg: "RS256", sign: partner.sign },
  reseller: { alg: "ES256", sign: reseller.sign },
  legacy: { alg: "HS256", sign: hmac("sha256", legacySecret) },
};

/** Every issuer with the name of every other issuer. */
const NAMES = Object.entries(SIGNERS).flatMap(([signer, how]) =>
  ["authmq", ...Object.keys(SIGNERS)].filter((iss) => iss !== signer).map((iss) => ({ signer, iss, ...how })),
);

const names = NAMES.map(({ signer, iss, alg, sign }) =>
  attack(`a token that ${signer} signed in the name of ${iss}`, "group_create", ({ ownClaims }) => {
    const access_token = assemble({ alg, typ: "at+jwt" }, ownClaims({ iss, groups: ["admin"] }), sign);
    return { request: { groupname: "forged", access_token }, reply: INVALID_TOKEN };
  }),
);

const ours = attacks(
  "a token that we signed in the name of",
  "user_all",
  { partner: "partner", reseller: "reseller", legacy: "legacy" },
  (iss, { signedAccess }) => ({ request: { access_token: signedAccess({ iss }) }, reply: INVALID_TOKEN }),
);

const algorithms = [
  ...attacks(
    "a token of partner (RS256 only) with the alg",
    "user_all",
    { RS384: "RS384", RS512: "RS512", PS256: "PS256", ES256: "ES256", EdDSA: "EdDSA", none: "none" },
    (alg) => ({
      request: {
        access_token: assemble({ alg, typ: "at+jwt" }, accessClaims({ iss: "partner" }), partner.sign),
      },
      reply: INVALID_TOKEN,
    }),
  ),
  ...attacks(
    "a token of legacy (HS256 only) with",
    "user_all",
    { HS384: "sha384", HS512: "sha512" } as const,
    (hash, _world, alg) => ({
      request: {
        access_token: assemble(
          { alg, typ: "at+jwt" },
          accessClaims({ iss: "legacy" }),
          hmac(hash, legacySecret),
        ),
      },
      reply: INVALID_TOKEN,
    }),
  ),
  attack("a token of legacy signed with half of its secret", "user_all", () => {
    const sign = hmac("sha256", legacySecret.subarray(0, 32));
    const access_token = assemble({ alg: "HS256", typ: "at+jwt" }, accessClaims({ iss: "legacy" }), sign);
    return { request: { access_token }, reply: INVALID_TOKEN };
  }),
  attack("a token of legacy signed with its secret in base64", "user_all", () => {
    const sign = hmac("sha256", legacySecret.toString("base64"));
    const access_token = assemble({ alg: "HS256", typ: "at+jwt" }, accessClaims({ iss: "legacy" }), sign);
    return { request: { access_token }, reply: INVALID_TOKEN };
  }),
];

/** Queues that accept ID tokens. */
const idTokens = (["token", "logout"] as const).flatMap((queue) =>
  Object.entries(SIGNERS).flatMap(([iss, { alg, sign }]) => [
    attack(
      `an ID token of ${iss} for the live session of one of our users, on ${queue}`,
      queue,
      async (fixture) => {
        const person = await fixture.newUser();
        const live = await fixture.idToken(person);
        const { kid } = JSON.parse(Buffer.from(live.split(".")[0]!, "base64url").toString()) as {
          kid: string;
        };
        const claims = idClaims({ iss, sub: person.username });
        return {
          request: { id_token: assemble({ alg, typ: "id+jwt", kid }, claims, sign) },
          reply: INVALID_TOKEN,
          after: async () => {
            const { resp_code } = await fixture.ask("token", { id_token: live });
            if (resp_code !== 200) throw new Error("the session was revoked");
          },
        };
      },
    ),
  ]),
);

const both = [
  attack("an ID token of partner with our issuer name and its own key", "token", async (fixture) => {
    const person = await fixture.newUser();
    const live = await fixture.idToken(person);
    const { kid } = JSON.parse(Buffer.from(live.split(".")[0]!, "base64url").toString()) as { kid: string };
    const header = { alg: "RS256", typ: "id+jwt", kid, jwk: partner.publicKey.export({ format: "jwk" }) };
    return {
      request: { id_token: assemble(header, idClaims({ sub: person.username }), partner.sign) },
      reply: INVALID_TOKEN,
    };
  }),
  attack("a token of partner that names two issuers in a list", "user_all", ({ ownClaims }) => {
    const claims = ownClaims({ iss: ["partner", "authmq"] });
    return {
      request: { access_token: assemble({ alg: "RS256", typ: "at+jwt" }, claims, partner.sign) },
      reply: INVALID_TOKEN,
    };
  }),
  attack(
    "a token in the name of partner, with partner's public key as the secret of an HMAC, nested twice",
    "user_all",
    () => {
      const pem = pemOf(partner.publicKey);
      const claims = accessClaims({ iss: "partner" });
      return {
        request: {
          access_token: assemble({ alg: "HS256", typ: "at+jwt" }, claims, hmac("sha256", pem + pem)),
        },
        reply: INVALID_TOKEN,
      };
    },
  ),
];

/** Audiences that differ from the required one. */
const AUDIENCES: Readonly<Record<string, unknown>> = {
  "left out": undefined,
  null: null,
  "the right audience in capitals": "SERVICES",
  "the beginning of the right audience": "service",
  "the right audience and a space": "services ",
  "an empty list": [],
  "a list of others": ["elsewhere", "service"],
  "a list in a list": [["services"]],
  "a list with a number": ["services", 1],
};

const audiences = attacks(
  "an access token of ours whose audience is",
  "user_all",
  AUDIENCES,
  (aud, { signedAccess }) => ({ request: { access_token: signedAccess({ aud }) }, reply: INVALID_TOKEN }),
  "closed",
);

/** The attacker has the key of an issuer that is trusted only for access tokens, or tokens for another audience. */
export const otherIssuers: Attack[] = [...names, ...ours, ...algorithms, ...idTokens, ...both, ...audiences];
