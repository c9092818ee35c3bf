import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { QueueName } from "../../../src/wire/queues.ts";
import { noteName } from "../../secrets/notes.ts";
import {
  type Challenged,
  challengeOf,
  codeOf,
  nextCodeOf,
  optionsOf,
  ORIGIN,
} from "../../support/second-factor.ts";
import { decodePart } from "../../tokens/craft.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import {
  FACTOR_NOT_FOUND,
  FORBIDDEN,
  INVALID_CREDENTIALS,
  INVALID_TOKEN,
  invalid,
  LOGGED_IN,
  LONE_SURROGATE,
  NO_PENDING_FACTOR,
  NOT_A_STRING,
  TOO_LONG,
  WRONG_ANSWER,
} from "../envelopes.ts";
import { type AttackFixture, PASSWORD } from "../fixture.ts";
import {
  enrolIn,
  type Enrolled,
  GUESSED_IDS,
  keyOf,
  logIn,
  MISTYPED_IDS,
  setupOf,
  tokenOf,
} from "../holders.ts";
import { ACCESS_QUEUES } from "./stolen-id-tokens.ts";

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
  "a code that was used for the enrolment": ({ secret }) => ({ totp: codeOf(secret) }),
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

const foreign = [
  attack("a user lists the administrator's factors", "factor_all", async (fixture) => ({
    request: { username: "root", access_token: (await logIn(fixture)).access_token },
    reply: FORBIDDEN,
  })),
  attack("a user removes another user's factor by its id", "factor_remove", async (fixture) => {
    const { id } = await enrolIn(fixture);
    return { request: { id, access_token: (await enrolIn(fixture)).access_token }, reply: FACTOR_NOT_FOUND };
  }),
  attack("a user removes another user's factor by its id and user", "factor_remove", async (fixture) => {
    const { id, username } = await enrolIn(fixture);
    return { request: { id, username, access_token: (await logIn(fixture)).access_token }, reply: FORBIDDEN };
  }),
  attack(
    "an administrator removes a factor in the name of another user",
    "factor_remove",
    async (fixture) => ({
      request: {
        id: (await enrolIn(fixture)).id,
        username: "alice",
        access_token: await fixture.adminToken(),
      },
      reply: FACTOR_NOT_FOUND,
    }),
  ),
  attack("a user renews another user's recovery codes", "recovery_codes_renew", async (fixture) => {
    const { username } = await enrolIn(fixture);
    return {
      request: { username, access_token: (await logIn(fixture)).access_token },
      reply: {
        ...FACTOR_NOT_FOUND,
        resp_data: {
          ...FACTOR_NOT_FOUND.resp_data,
          msg: "the account has no second factor that codes could replace; enrol one first",
        },
      },
    };
  }),
  attack("a user confirms another user's TOTP", "totp_confirm", async (fixture) => {
    const { access_token } = await logIn(fixture);
    const { secret } = (await fixture.ask("totp_begin", { access_token })).resp_data;
    const thief = await logIn(fixture);
    return {
      request: { totp: codeOf(String(secret)), access_token: thief.access_token },
      reply: NO_PENDING_FACTOR,
    };
  }),
  attack("a user confirms another user's passkey", "passkey_confirm", async (fixture) => {
    const { device, access_token } = await enrolIn(fixture);
    const options = optionsOf((await fixture.ask("passkey_begin", { access_token })).resp_data);
    const credential = device.create(options, { origin: ORIGIN });
    const thief = await logIn(fixture);
    return {
      request: { credential, name: "mine", access_token: thief.access_token },
      reply: NO_PENDING_FACTOR,
    };
  }),
  ...attacks("a removal of an own factor whose id is", "factor_remove", GUESSED_IDS, async (id, fixture) => ({
    request: { id, access_token: (await enrolIn(fixture)).access_token },
    reply: FACTOR_NOT_FOUND,
  })),
  ...attacks("a removal of a factor whose id is", "factor_remove", MISTYPED_IDS, async (id, fixture) => ({
    request: { id, access_token: (await logIn(fixture)).access_token },
    reply: invalid(["id", NOT_A_STRING]),
  })),
];

const ENROLMENT: readonly QueueName[] = ["totp_begin", "totp_confirm", "passkey_begin", "passkey_confirm"];

/** What cannot enrol a factor: it would outlive its revocation, or belongs to another login. */
const NO_ENROLMENT: Readonly<Record<string, (fixture: AttackFixture) => Promise<object>>> = {
  "an API key's access token": async (fixture) => ({
    access_token: await tokenOf(fixture, await keyOf(fixture)),
  }),
  "another issuer's access token of an administrator": async (fixture) => ({
    access_token: await fixture.adminToken(),
  }),
};

/** What is no setup token, in its field. */
const NO_SETUP: Readonly<Record<string, (fixture: AttackFixture) => Promise<string>>> = {
  "an ID token": async (fixture) => (await logIn(fixture)).id_token,
  "an access token": async (fixture) => (await logIn(fixture)).access_token,
  "an API key": async (fixture) => (await keyOf(fixture)).api_key,
  "the challenge of a login": async (fixture) => (await challenged(fixture)).challenge,
  "one for another user": async (fixture) => {
    const { setup_token } = await setupOf(fixture);
    const [header, payload = "", signature] = setup_token.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
    const forged = Buffer.from(JSON.stringify({ ...claims, sub: "root" })).toString("base64url");
    return [header, forged, signature].join(".");
  },
  "one without a signature": async (fixture) => {
    const { setup_token } = await setupOf(fixture);
    const header = Buffer.from(JSON.stringify({ alg: "none", typ: "setup+jwt" })).toString("base64url");
    return `${header}.${setup_token.split(".")[1]}.`;
  },
  "one of another address": async (fixture) => (await setupOf(fixture, { ip: "192.0.2.7" })).setup_token,
};

const enrolments = ENROLMENT.flatMap((queue) => [
  ...attacks(`on ${queue}, instead of a session,`, queue, NO_ENROLMENT, async (make, fixture) => ({
    request: { ...ACCESS_QUEUES[queue], ...(await make(fixture)) },
    reply: FORBIDDEN,
  })),
  ...attacks(`on ${queue}, as setup token,`, queue, NO_SETUP, async (make, fixture) => ({
    request: { ...ACCESS_QUEUES[queue], setup_token: await make(fixture) },
    reply: INVALID_TOKEN,
  })),
  attack(`on ${queue}, a setup token together with a session`, queue, async (fixture) => ({
    request: {
      ...ACCESS_QUEUES[queue],
      setup_token: (await setupOf(fixture)).setup_token,
      access_token: (await logIn(fixture)).access_token,
    },
    reply: invalid(["setup_token", "must be omitted if access_token is given"]),
  })),
]);

const setupTokens = [
  attack("a setup token instead of an access token", "group_create", async (fixture) => ({
    request: { groupname: "never-made", access_token: (await setupOf(fixture)).setup_token },
    reply: INVALID_TOKEN,
  })),
  attack("a setup token instead of an ID token", "token", async (fixture) => ({
    request: { id_token: (await setupOf(fixture)).setup_token },
    reply: INVALID_TOKEN,
  })),
  attack("a setup token that removes a factor", "factor_remove", async (fixture) => {
    const { id } = await enrolIn(fixture);
    return { request: { id, access_token: (await setupOf(fixture)).setup_token }, reply: INVALID_TOKEN };
  }),
  attack("a setup token of an account that has enrolled since", "totp_begin", async (fixture) => {
    const { setup_token } = await setupOf(fixture);
    const { secret } = (await fixture.ask("totp_begin", { setup_token })).resp_data;
    const confirmed = await fixture.ask("totp_confirm", { setup_token, totp: codeOf(String(secret)) });
    assert.equal(confirmed.resp_code, 200);
    return { request: { setup_token }, reply: INVALID_TOKEN };
  }),
];

/** Names of factors that could break a page or a log. */
const NAMES: Readonly<Record<string, readonly [name: unknown, msg: string]>> = {
  "a newline": ["phone\nadmin", "must have no control characters"],
  "a NUL": ["phone\0", "must have no control characters"],
  "a terminal's escape": ["\u001b[2J", "must have no control characters"],
  "a lone surrogate": ["\ud800", LONE_SURROGATE],
  "101 characters": ["x".repeat(101), TOO_LONG],
  nothing: ["", "must not be empty"],
  "a list": [["phone"], NOT_A_STRING],
};

const names = (["totp_confirm", "passkey_confirm"] as const).flatMap((queue) =>
  attacks(`on ${queue}, a name with`, queue, NAMES, async ([name, msg], fixture) => ({
    request: { ...ACCESS_QUEUES[queue], access_token: (await logIn(fixture)).access_token, name },
    reply: invalid(["name", msg]),
  })),
);

/** The attacker has a password, another user's session, factor id or challenge, or a token of another type. */
export const secondFactors: Attack[] = [
  ...challenges,
  ...answers,
  ...logins,
  ...foreign,
  ...enrolments,
  ...setupTokens,
  ...names,
];
