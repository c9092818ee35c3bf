import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { noteName } from "../../secrets/notes.ts";
import { type Challenged, challengeOf, nextCodeOf, optionsOf, ORIGIN } from "../../support/second-factor.ts";
import { decodePart } from "../../tokens/craft.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import { INVALID_CREDENTIALS, invalid, LOGGED_IN, LONE_SURROGATE, WRONG_ANSWER } from "../envelopes.ts";
import { type AttackFixture, PASSWORD } from "../fixture.ts";
import { enrolIn, type Enrolled, logIn, setupOf } from "../holders.ts";

/** A challenge of a victim. */
async function challenged(fixture: AttackFixture): Promise<Enrolled & Challenged> {
  const victim = await enrolIn(fixture);
  return { ...victim, ...(await challengeOf(fixture.worker, victim.username)) };
}

/** Texts that are not the challenge of a login. */
const FORGED_CHALLENGES: Readonly<Record<string, (challenge: string) => string>> = {
  "another last character": (text) => `${text.slice(0, -1)}${text.endsWith("A") ? "E" : "A"}`,
  "a spare bit in its last character": (text) => `${text.slice(0, -1)}_`,
  "another case": (text) => text.toUpperCase(),
  padding: (text) => `${text}=`,
  "a newline at its end": (text) => `${text}\n`,
  "a NUL at its end": (text) => `${text}\0`,
  "a space before it": (text) => ` ${text}`,
  "a part of it": (text) => text.slice(0, -1),
  "its SHA-256, as in the database": (text) => {
    const digest = createHash("sha256").update(text).digest("hex");
    // It is a challenge here, and the database contains it legitimately.
    noteName(digest);
    return digest;
  },
  "a wildcard": () => "%",
  SQL: () => "' or '1'='1",
};

const challenges = attacks(
  "a challenge with",
  "login_continue",
  FORGED_CHALLENGES,
  async (forge, fixture) => {
    const { challenge, secret } = await challenged(fixture);
    return { request: { challenge: forge(challenge), totp: nextCodeOf(secret) }, reply: WRONG_ANSWER };
  },
);

/** Answers of an attacker who knows the password, and has an account with factors. */
const ANSWERS: Readonly<Record<string, (victim: Enrolled & Challenged, own: Enrolled) => object>> = {
  "the code of the attacker's app": (_victim, own) => ({ totp: nextCodeOf(own.secret) }),
  "a code that was used for the enrolment": ({ usedCode }) => ({ totp: usedCode }),
  "a recovery code of the attacker": (_victim, own) => ({ recovery_code: own.recovery_codes[0] }),
  "a wildcard as recovery code": () => ({ recovery_code: "%" }),
  "SQL as recovery code": () => ({ recovery_code: "' or '1'='1" }),
  "a NUL as recovery code": () => ({ recovery_code: "\0" }),
  "the hyphens of a recovery code": () => ({ recovery_code: "---" }),
  "the password as recovery code": () => ({ recovery_code: PASSWORD }),
  "the attacker's passkey": (victim, own) => ({
    passkey: own.device.get(optionsOf(victim), { origin: ORIGIN, use: own.device.ids[0]! }),
  }),
  "the attacker's passkey under the victim's id": (victim, own) => ({
    passkey: own.device.get(optionsOf(victim), {
      origin: ORIGIN,
      use: own.device.ids[0]!,
      id: victim.device.ids[0]!,
    }),
  }),
  "the victim's passkey, used on a phishing site": (victim) => ({
    passkey: victim.device.get(optionsOf(victim), { origin: "https://login.example.com.evil.example" }),
  }),
  "the victim's passkey, used for another login": (victim) => ({
    passkey: victim.device.get({ ...optionsOf(victim), challenge: "AAAA" }, { origin: ORIGIN }),
  }),
  "a passkey without a signature": (victim) => {
    const passkey = victim.device.get(optionsOf(victim), { origin: ORIGIN });
    return { passkey: { ...passkey, response: { ...passkey.response, signature: "AA" } } };
  },
  "a passkey whose origin is a list": (victim) => ({
    passkey: victim.device.get(optionsOf(victim), { origin: [ORIGIN] as unknown as string }),
  }),
  "a passkey of an opaque origin": (victim) => ({
    passkey: victim.device.get(optionsOf(victim), { origin: "null" }),
  }),
};

const answers = attacks("a stolen password with", "login_continue", ANSWERS, async (give, fixture) => {
  const victim = await challenged(fixture);
  const given = give(victim, await enrolIn(fixture));
  return { request: { challenge: victim.challenge, ...given }, reply: WRONG_ANSWER };
});

const logins = [
  attack(
    "the answer to an own challenge, with the name and rights of another",
    "login_continue",
    async (fixture) => {
      const own = await challenged(fixture);
      const more = {
        username: "root",
        user: "root",
        sub: "root",
        groups: ["admin"],
        amr: ["hwk"],
        access_token: 1,
      };
      return {
        request: { challenge: own.challenge, totp: nextCodeOf(own.secret), ...more },
        reply: LOGGED_IN,
        async after({ resp_data }) {
          const { sub, groups, amr } = decodePart(String(resp_data["id_token"]), 1);
          assert.deepEqual([sub, groups, amr], [own.username, [], ["pwd", "otp", "mfa"]]);
        },
      };
    },
  ),
  attack("a recovery code instead of the password", "login", async (fixture) => {
    const { username, recovery_codes } = await enrolIn(fixture);
    return { request: { username, password: recovery_codes[0] }, reply: INVALID_CREDENTIALS };
  }),
  attack("a login that brings its code along, with a wrong password", "login", async (fixture) => {
    const { username, secret } = await enrolIn(fixture);
    return { request: { username, password: "wrong", totp: nextCodeOf(secret) }, reply: INVALID_CREDENTIALS };
  }),
  attack("a recovery code with a lone surrogate", "login_continue", async (fixture) => ({
    request: { challenge: (await challenged(fixture)).challenge, recovery_code: "\ud800" },
    reply: invalid(["recovery_code", LONE_SURROGATE]),
  })),
  ...attacks(
    "instead of a challenge,",
    "login_continue",
    {
      "an ID token": async (fixture: AttackFixture) => (await logIn(fixture)).id_token,
      "a setup token": async (fixture: AttackFixture) => (await setupOf(fixture)).setup_token,
      "an access token": async (fixture: AttackFixture) => (await logIn(fixture)).access_token,
    },
    async (make, fixture) => ({
      request: { challenge: await make(fixture), totp: "123456" },
      reply: invalid(["challenge", "is too long"]),
    }),
  ),
];

/** The attacker has a password, and the challenge of its login. */
export const secondFactors: Attack[] = [...challenges, ...answers, ...logins];
