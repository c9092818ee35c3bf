import { accessClaims, withSpareBits } from "../../tokens/craft.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import { INVALID_TOKEN, invalid, NOT_A_STRING, TOO_LARGE, noToken } from "../envelopes.ts";
import { assemble, claimsWith, es256Der, part } from "../forge.ts";
import { type AttackFixture, reseller, SIGNER } from "../fixture.ts";

type Parts = readonly [header: string, payload: string, signature: string];

/** Texts that careless parsers treat as the same token. */
const SPELLINGS: Readonly<Record<string, (parts: Parts, token: string) => string>> = {
  "with spare bits set in its signature": ([h, p, s]) => `${h}.${p}.${withSpareBits(s)}`,
  "with padding": (_, token) => `${token}==`,
  "with a trailing space": (_, token) => `${token} `,
  "with a trailing newline": (_, token) => `${token}\n`,
  "with a newline inside": ([h, p, s]) => `${h}.${p}\r\n.${s}`,
  "with a trailing NUL": (_, token) => `${token}\0`,
  "with a zero-width space inside": ([h, p, s]) => `${h}\u200b.${p}.${s}`,
  "with Bearer before it": (_, token) => `Bearer ${token}`,
  "with a trailing A": (_, token) => `${token}A`,
  "with a trailing dot": (_, token) => `${token}.`,
  "with a fourth part": (_, token) => `${token}.AAAA`,
  "with five parts, as a JWE": ([h, p, s]) => `${h}.${p}.${s}.${p}.${s}`,
  "without its signature": ([h, p]) => `${h}.${p}`,
  "with an empty signature": ([h, p]) => `${h}.${p}.`,
  "with half of its signature": ([h, p, s]) => `${h}.${p}.${s.slice(0, 43)}`,
  "with its payload in base64 of base64": ([h, p, s]) => `${h}.${part(p)}.${s}`,
  "as flattened JSON": ([h, p, s]) => JSON.stringify({ protected: h, payload: p, signature: s }),
  "as general JSON": ([h, p, s]) =>
    JSON.stringify({ payload: p, signatures: [{ protected: h, signature: s }] }),
};

const spellings = attacks("a valid token", "user_all", SPELLINGS, async (spell, { accessToken }) => {
  const token = await accessToken("alice");
  return {
    request: { access_token: spell(token.split(".") as unknown as Parts, token) },
    reply: INVALID_TOKEN,
  };
});

const alphabet = attack("a valid token in the alphabet of plain base64", "user_all", ({ signedAccess }) => {
  // Ed25519 is deterministic: change the payload until the token contains a character that differs in the alphabets.
  let token = signedAccess();
  for (let round = 0; !/[-_][^.]*$/.test(token); round++) token = signedAccess({ jti: String(round) });
  const access_token = token.replaceAll("-", "+").replaceAll("_", "/");
  return { request: { access_token }, reply: INVALID_TOKEN };
});

const signatures = [
  attack(
    "a token with the signature of another valid token",
    "group_create",
    async ({ accessToken, adminToken }) => {
      const [header, payload] = (await adminToken()).split(".");
      const signature = (await accessToken("alice")).split(".")[2];
      const access_token = `${header}.${payload}.${signature}`;
      return { request: { groupname: "forged", access_token }, reply: INVALID_TOKEN };
    },
  ),
  attack(
    "an access token's header and signature around an ID token's payload",
    "user_all",
    async (fixture) => {
      const [, payload] = (await fixture.idToken(await fixture.newUser())).split(".");
      const [header, , signature] = (await fixture.accessToken("alice")).split(".");
      return { request: { access_token: `${header}.${payload}.${signature}` }, reply: INVALID_TOKEN };
    },
  ),
  attack(
    "an EdDSA signature whose number is above the group's order (RFC 8032 section 5.1.7)",
    "user_all",
    async ({ accessToken }) => {
      const [header, payload, signature = ""] = (await accessToken("alice")).split(".");
      const bytes = Buffer.from(signature, "base64url");
      const order = 2n ** 252n + 27742317777372353535851937790883648493n;
      const s = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString("hex")}`) + order;
      const moved = Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse();
      const again = Buffer.concat([bytes.subarray(0, 32), moved]).toString("base64url");
      const access_token = `${header}.${payload}.${again}`;
      return { request: { access_token }, reply: INVALID_TOKEN };
    },
  ),
  attack("an ES256 signature in DER instead of JWS's form", "user_all", () => {
    const claims = accessClaims({ iss: "reseller" });
    const access_token = assemble({ alg: "ES256", typ: "at+jwt" }, claims, es256Der(reseller.privateKey));
    return { request: { access_token }, reply: INVALID_TOKEN };
  }),
  attack("an ES256 signature with a zero before each of its numbers", "user_all", () => {
    const claims = accessClaims({ iss: "reseller" });
    const access_token = assemble({ alg: "ES256", typ: "at+jwt" }, claims, (signed) => {
      const bytes = Buffer.from(reseller.sign(signed));
      return Buffer.concat([Buffer.alloc(1), bytes.subarray(0, 32), Buffer.alloc(1), bytes.subarray(32)]);
    });
    return { request: { access_token }, reply: INVALID_TOKEN };
  }),
];

const goodHeader = '{"alg":"EdDSA","typ":"at+jwt"}';

/** JSON that two parsers may read differently; all of it is signed with the right key. */
const AMBIGUOUS: Readonly<
  Record<
    string,
    readonly [header: string, payload: (claims: ReturnType<AttackFixture["ownClaims"]>) => string]
  >
> = {
  "sub twice": [goodHeader, (claims) => claimsWith(claims, `"sub":"${SIGNER}"`)],
  "sub twice, once with an escape": [goodHeader, (claims) => claimsWith(claims, `"s\\u0075b":"${SIGNER}"`)],
  "groups twice": [goodHeader, (claims) => claimsWith(claims, '"groups":["admin"]')],
  "iss twice": [goodHeader, (claims) => claimsWith(claims, '"iss":"authmq"')],
  "exp twice": [goodHeader, (claims) => claimsWith(claims, '"exp":9999999999')],
  "a claim twice inside another one": [goodHeader, (claims) => claimsWith(claims, '"x":{"y":1,"y":2}')],
  "__proto__ twice": [
    goodHeader,
    (claims) => claimsWith(claims, '"__proto__":{},"__proto__":{"groups":["admin"]}'),
  ],
  "alg twice": ['{"alg":"EdDSA","typ":"at+jwt","alg":"EdDSA"}', (claims) => JSON.stringify(claims)],
  "typ twice": ['{"alg":"EdDSA","typ":"JWT","typ":"at+jwt"}', (claims) => JSON.stringify(claims)],
  "a byte order mark before its header": [`\ufeff${goodHeader}`, (claims) => JSON.stringify(claims)],
  "a header that is a list": [`[${goodHeader}]`, (claims) => JSON.stringify(claims)],
  "a header followed by more JSON": [`${goodHeader}{}`, (claims) => JSON.stringify(claims)],
};

const ambiguous = [
  ...attacks("a token with", "user_all", AMBIGUOUS, ([header, payload], { own, ownClaims }) => ({
    request: { access_token: assemble(header, payload(ownClaims()), own.sign) },
    reply: INVALID_TOKEN,
  })),
  attack("a token that hides its groups in __proto__", "group_create", ({ own, ownClaims }) => {
    const payload = claimsWith(ownClaims({ groups: undefined }), '"__proto__":{"groups":["admin"]}');
    const access_token = assemble({ alg: "EdDSA", typ: "at+jwt" }, payload, own.sign);
    return { request: { groupname: "forged", access_token }, reply: INVALID_TOKEN };
  }),
];

const sizes = [
  attack("a token of just over 32 KiB", "user_all", ({ signedAccess }) => {
    let filler = 23_000;
    while (signedAccess({ filler: "x".repeat(filler) }).length <= 32_768) filler++;
    return { request: { access_token: signedAccess({ filler: "x".repeat(filler) }) }, reply: INVALID_TOKEN };
  }),
  attack("a token that fills the request to its limit", "user_all", ({ signedAccess }) => {
    const access_token = signedAccess({ filler: "x".repeat(48_000) });
    const space = 65_536 - JSON.stringify({ access_token: "" }).length;
    return { request: { access_token: access_token.padEnd(space, "A") }, reply: INVALID_TOKEN };
  }),
  attack("a token that is larger than the limit of a request", "user_all", ({ signedAccess }) => ({
    request: { access_token: signedAccess({ filler: "x".repeat(100_000) }) },
    reply: TOO_LARGE,
  })),
  attack("a token that is nested a thousand times", "user_all", ({ own, ownClaims }) => {
    const payload = claimsWith(ownClaims({ sub: 7 }), `"x":${"[".repeat(1000)}${"]".repeat(1000)}`);
    return { request: { access_token: assemble(goodHeader, payload, own.sign) }, reply: INVALID_TOKEN };
  }),
  ...attacks(
    "instead of an access token",
    "user_all",
    {
      nothing: undefined,
      null: null,
      "an empty string": "",
      "a stop": ".",
      "two stops": "..",
      words: "let me in",
    },
    (access_token) => ({
      request: { access_token },
      reply: typeof access_token === "string" ? INVALID_TOKEN : noToken("access_token"),
    }),
  ),
  ...attacks(
    "instead of an access token, as JSON of another type,",
    "user_all",
    { "a number": 1, true: true, false: false, zero: 0, "a list": ["token"], "an object": { token: 1 } },
    (access_token) => ({ request: { access_token }, reply: invalid(["access_token", NOT_A_STRING]) }),
  ),
  attack("a JWS in JSON form as an object", "user_all", async ({ accessToken }) => {
    const [header, payload, signature] = (await accessToken("alice")).split(".");
    const access_token = { protected: header, payload, signature };
    return { request: { access_token }, reply: invalid(["access_token", NOT_A_STRING]) };
  }),
];

/** The attacker modifies valid tokens: texts, signatures, JSON, sizes. */
export const forgedSpellings: Attack[] = [...spellings, alphabet, ...signatures, ...ambiguous, ...sizes];
