import { secondsFromNow } from "../../tokens/craft.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import { INVALID_TOKEN } from "../envelopes.ts";
import { assemble, part } from "../forge.ts";
import type { AttackFixture } from "../fixture.ts";

/** Raw JSON for a time claim; undefined omits the claim. */
const INVALID_TIMES: Readonly<Record<string, string | undefined>> = {
  "left out": undefined,
  null: "null",
  "a text": `"${secondsFromNow(3600)}"`,
  "1e999": "1e999",
  "a list": `[${secondsFromNow(3600)}]`,
};

const OTHER_INVALID_TIMES = Object.fromEntries(Object.entries(INVALID_TIMES).slice(0, 3));

const PAST = { negative: "-1", zero: "0", "two minutes ago": () => String(secondsFromNow(-120)) };

function signedText({ own, ownClaims }: AttackFixture, name: string, json: string | undefined): string {
  const claims = ownClaims({ [name]: json === undefined ? undefined : "HERE" });
  const text = JSON.stringify(claims).replace('"HERE"', json ?? "");
  return assemble({ alg: own.alg, typ: "at+jwt" }, text, own.sign);
}

const refusedText = (name: string) => (json: string | undefined, fixture: AttackFixture) => ({
  request: { access_token: signedText(fixture, name, json) },
  reply: INVALID_TOKEN,
});

const times = [
  ...attacks("an access token whose exp is", "user_all", INVALID_TIMES, refusedText("exp")),
  ...["iat", "nbf"].flatMap((name) =>
    attacks(`an access token whose ${name} is`, "user_all", OTHER_INVALID_TIMES, refusedText(name)),
  ),
  ...attacks("an access token whose exp is", "user_all", PAST, (json, fixture) =>
    refusedText("exp")(typeof json === "string" ? json : json(), fixture),
  ),
  ...attacks(
    "an access token that becomes valid tomorrow, by its",
    "user_all",
    { nbf: { nbf: secondsFromNow(86_400) }, iat: { iat: secondsFromNow(86_400) } },
    (claims, { signedAccess }) => ({ request: { access_token: signedAccess(claims) }, reply: INVALID_TOKEN }),
  ),
  ...attacks(
    "an access token that becomes valid in two minutes, by its",
    "user_all",
    { nbf: "nbf", iat: "iat" },
    (name, { signedAccess }) => ({
      request: { access_token: signedAccess({ [name]: secondsFromNow(120) }) },
      reply: INVALID_TOKEN,
    }),
  ),
  attack(
    "an access token with a fractional exp, half a second beyond the leeway",
    "user_all",
    ({ signedAccess }) => ({
      request: { access_token: signedAccess({ exp: Date.now() / 1000 - 30.5 }) },
      reply: INVALID_TOKEN,
    }),
  ),
  attack("an access token whose exp is in milliseconds of the past", "user_all", ({ signedAccess }) => ({
    request: { access_token: signedAccess({ exp: -secondsFromNow(3600) * 1000 }) },
    reply: INVALID_TOKEN,
  })),
  attack("an access token with its exp only in the header", "user_all", ({ signedAccess }) => ({
    request: { access_token: signedAccess({ exp: undefined }, { exp: secondsFromNow(3600) }) },
    reply: INVALID_TOKEN,
  })),
  attack("an access token with its exp in another case", "user_all", ({ signedAccess }) => ({
    request: { access_token: signedAccess({ exp: undefined, EXP: secondsFromNow(3600) }) },
    reply: INVALID_TOKEN,
  })),
];

/** Invalid values of string claims. */
const INVALID_STRINGS: Readonly<Record<string, unknown>> = {
  "left out": undefined,
  null: null,
  "a number": 7,
  true: true,
  "a list with the right name": ["authmq"],
  "an object": { toString: "authmq" },
};

const texts = [
  ...attacks("an access token whose iss is", "user_all", INVALID_STRINGS, (iss, { signedAccess }) => ({
    request: { access_token: signedAccess({ iss }) },
    reply: INVALID_TOKEN,
  })),
  ...attacks(
    "an access token whose issuer resembles ours:",
    "user_all",
    {
      "in capitals": "AUTHMQ",
      "with a space": "authmq ",
      "with a NUL": "authmq\0",
      "with a zero-width space": "authmq\u200b",
      "with a Cyrillic a": "\u0430uthmq",
      "an empty string": "",
      "a prototype member": "__proto__",
      constructor: "constructor",
      toString: "toString",
    },
    (iss, { signedAccess }) => ({ request: { access_token: signedAccess({ iss }) }, reply: INVALID_TOKEN }),
  ),
  ...attacks("an access token whose sub is", "user_all", INVALID_STRINGS, (sub, { signedAccess }) => ({
    request: { access_token: signedAccess({ sub, user: undefined }) },
    reply: INVALID_TOKEN,
  })),
  attack("an access token whose sub is an empty string", "user_all", ({ signedAccess }) => ({
    request: { access_token: signedAccess({ sub: "", user: "" }) },
    reply: INVALID_TOKEN,
  })),
  ...attacks(
    "an access token of bobby whose user is",
    "user_change",
    {
      alice: "alice",
      "bobby in capitals": "BOBBY",
      null: null,
      "a list": ["bobby"],
      "a number": 0,
      "an empty string": "",
    },
    async (user, { sessionOf, signedAccess }) => ({
      request: {
        username: "alice",
        email: "taken@example.com",
        access_token: signedAccess({ ...(await sessionOf("bobby")), user }),
      },
      reply: INVALID_TOKEN,
    }),
  ),
  ...attacks(
    "an access token whose groups are",
    "group_create",
    {
      "the string admin": "admin",
      "an object with admin in it": { admin: true },
      "an object like a list": { 0: "admin", length: 1 },
      "a list in a list": [["admin"]],
      "a list with a number": ["admin", 1],
      null: null,
      "left out": undefined,
    },
    (groups, { signedAccess }) => ({
      request: { groupname: "forged", access_token: signedAccess({ groups }) },
      reply: INVALID_TOKEN,
    }),
  ),
];

/** Payloads that are not an object of claims, from valid claims. */
const INVALID_PAYLOADS: Readonly<
  Record<string, string | ((claimsOf: AttackFixture["ownClaims"]) => string | Uint8Array)>
> = {
  nothing: "",
  "half an object": '{"iss":"authmq"',
  "an empty object": "{}",
  null: "null",
  "a number": "1e3",
  "a text": '"authmq"',
  "a list of claims": (claimsOf) => JSON.stringify([claimsOf()]),
  "claims twice": (claimsOf) => `${JSON.stringify(claimsOf())}${JSON.stringify(claimsOf())}`,
  "claims behind a byte order mark": (claimsOf) => `\ufeff${JSON.stringify(claimsOf())}`,
  "claims in UTF-16": (claimsOf) => Buffer.from(JSON.stringify(claimsOf()), "utf16le"),
  "claims with a byte that is not UTF-8": (claimsOf) =>
    Buffer.from(JSON.stringify(claimsOf({ jti: "\xff" })), "latin1"),
  "claims with an overlong character": (claimsOf) =>
    Buffer.from(JSON.stringify(claimsOf({ jti: "\xc0\xaf" })), "latin1"),
  "claims with a surrogate in UTF-8": (claimsOf) =>
    Buffer.from(JSON.stringify(claimsOf({ jti: "\xed\xa0\x80" })), "latin1"),
  "claims with a comment": (claimsOf) => `${JSON.stringify(claimsOf()).slice(0, -1)}/**/}`,
  "claims with a NUL behind them": (claimsOf) => `${JSON.stringify(claimsOf())}\0`,
  "another token": (claimsOf) => part(claimsOf()),
};

const payloads = attacks(
  "an access token whose payload is",
  "user_all",
  INVALID_PAYLOADS,
  (payload, { own, ownClaims }) => {
    const text = typeof payload === "string" ? payload : payload(ownClaims);
    const access_token = assemble({ alg: own.alg, typ: "at+jwt" }, text, own.sign);
    return { request: { access_token }, reply: INVALID_TOKEN };
  },
);

/** The attacker has the signing key, and signs invalid claims: times, names, groups, payloads. */
export const forgedClaims: Attack[] = [...times, ...texts, ...payloads];
