import { attack, type Attack, attacks } from "../attack.ts";
import { ok, INVALID_TOKEN } from "../envelopes.ts";
import { assemble } from "../forge.ts";
import { untrusted } from "../fixture.ts";

const jwk = {
  ...untrusted.ed25519.publicKey.export({ format: "jwk" }),
  use: "sig",
  alg: "EdDSA",
  kid: "mine",
};
const der = untrusted.ed25519.publicKey.export({ type: "spki", format: "der" }).toString("base64");
const URL_OF_KEYS = "http://127.0.0.1:9/keys.json";

/** Header members that name or contain a key, or change what is signed. */
const REFUSED_MEMBERS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  jwk: { jwk },
  jku: { jku: URL_OF_KEYS },
  x5u: { x5u: URL_OF_KEYS },
  x5c: { x5c: [der] },
  "crit that names exp": { crit: ["exp"], exp: 9_999_999_999 },
  "crit that names b64": { crit: ["b64"], b64: false },
  "an empty crit": { crit: [] },
  "crit that is a string": { crit: "exp" },
  "b64 of false": { b64: false },
  "b64 of true": { b64: true },
};

/** Members from which a careless service would take its key. */
const KEYS = Object.fromEntries(["jwk", "jku", "x5u", "x5c"].map((name) => [name, REFUSED_MEMBERS[name]!]));

const embedded = [
  ...attacks(
    "a token of the attacker's key that contains it in",
    "group_create",
    KEYS,
    (members, { ownClaims }) => {
      const header = { alg: "EdDSA", typ: "at+jwt", ...members };
      const access_token = assemble(header, ownClaims({ groups: ["admin"] }), untrusted.ed25519.sign);
      return { request: { groupname: "forged", access_token }, reply: INVALID_TOKEN };
    },
  ),
  ...attacks("a token of the right key with", "user_all", REFUSED_MEMBERS, (members, { signedAccess }) => ({
    request: { access_token: signedAccess({}, members) },
    reply: INVALID_TOKEN,
  })),
  attack("a token whose payload is signed without base64 (RFC 7797)", "user_all", ({ own, ownClaims }) => {
    const claims = ownClaims();
    const [header, , signature] = assemble(
      { alg: "EdDSA", typ: "at+jwt", b64: false, crit: ["b64"] },
      claims,
      own.sign,
    ).split(".");
    const access_token = `${header}.${JSON.stringify(claims).replaceAll(".", "")}.${signature}`;
    return { request: { access_token }, reply: INVALID_TOKEN };
  }),
];

/** Values of kid that could be used for a lookup. */
const KEY_NAMES = {
  "the name of a device": "../../../../dev/null",
  "the name of a public file": "/proc/self/environ",
  "an SQL text": "x' UNION SELECT 'secret' -- ",
  "a prototype member": "__proto__",
  "another issuer": "partner",
};

const keyNames = [
  ...attacks(
    "a token of the attacker's key whose kid is",
    "group_create",
    KEY_NAMES,
    (kid, { ownClaims }) => ({
      request: {
        groupname: "forged",
        access_token: assemble(
          { alg: "EdDSA", typ: "at+jwt", kid },
          ownClaims({ groups: ["admin"] }),
          untrusted.ed25519.sign,
        ),
      },
      reply: INVALID_TOKEN,
    }),
  ),
  ...attacks(
    "an access token whose kid is not a string but",
    "user_all",
    { "a number": 1, null: null, "a list": ["mine"], "an object": { mine: true } },
    (kid, { signedAccess }) => ({
      request: { access_token: signedAccess({}, { kid }) },
      reply: INVALID_TOKEN,
    }),
  ),
];

/** Values instead of at+jwt. */
const WRONG_TYPES: Readonly<Record<string, unknown>> = {
  JWT: "JWT",
  "id+jwt": "id+jwt",
  "id+jwt as a whole media type": "application/id+jwt",
  absent: undefined,
  null: null,
  "an empty string": "",
  "at+jwt and a parameter": "at+jwt; charset=utf-8",
  "a full-width at+jwt": "ａｔ+ｊｗｔ",
  "a list": ["at+jwt"],
  "an object": { "at+jwt": true },
  "a number": 1,
};

const kinds = [
  ...attacks("an access token whose typ is", "user_all", WRONG_TYPES, (typ, { signedAccess }) => ({
    request: { access_token: signedAccess({}, { typ }) },
    reply: INVALID_TOKEN,
  })),
  ...attacks(
    "an ID token whose typ is",
    "token",
    {
      JWT: "JWT",
      "at+jwt": "at+jwt",
      "at+jwt as a whole media type": "application/at+jwt",
      absent: undefined,
      null: null,
      "a list": ["id+jwt"],
    },
    async (typ, { newUser, idToken, resigned }) => ({
      request: { id_token: resigned(await idToken(await newUser()), {}, { typ }) },
      reply: INVALID_TOKEN,
    }),
  ),
  attack(
    "an access token with at+jwt in another case is an access token, and not an ID token",
    "token",
    ({ signedAccess }) => ({
      request: { id_token: signedAccess({}, { typ: "Application/AT+JWT" }) },
      reply: INVALID_TOKEN,
    }),
  ),
  attack(
    "an ID token whose typ is a media type in another case is not an access token",
    "user_all",
    async (fixture) => ({
      request: {
        access_token: fixture.resigned(
          await fixture.idToken(await fixture.newUser()),
          {},
          { typ: "application/ID+JWT" },
        ),
      },
      reply: INVALID_TOKEN,
    }),
  ),
  attack("an ID token whose typ is in another case logs out its own user only", "logout", async (fixture) => {
    const person = await fixture.newUser();
    const bystander = await fixture.idToken({ username: "bobby", password: person.password });
    const id_token = fixture.resigned(await fixture.idToken(person), {}, { typ: "application/ID+JWT" });
    return {
      request: { id_token },
      reply: ok({ msg: `logged out ${person.username}` }),
      after: async () => {
        const { resp_code } = await fixture.ask("token", { id_token: bystander });
        if (resp_code !== 200) throw new Error("bobby was logged out");
      },
    };
  }),
];

/** The attacker forges headers of tokens. */
export const forgedHeaders: Attack[] = [...embedded, ...keyNames, ...kinds];
