import assert from "node:assert/strict";
import type { QueueName } from "../../../src/wire/queues.ts";
import { challengeOf, codeOf, optionsOf, ORIGIN } from "../../support/second-factor.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import {
  FACTOR_NOT_FOUND,
  FORBIDDEN,
  INVALID_TOKEN,
  invalid,
  LONE_SURROGATE,
  NO_PENDING_FACTOR,
  NOT_A_STRING,
  TOO_LONG,
} from "../envelopes.ts";
import { type AttackFixture } from "../fixture.ts";
import { enrolIn, GUESSED_IDS, keyOf, logIn, MISTYPED_IDS, setupOf, tokenOf } from "../holders.ts";
import { ACCESS_QUEUES } from "./stolen-id-tokens.ts";

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
          msg: "the account has no such second factor; factor_all lists them",
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
  "the challenge of a login": async (fixture) =>
    (await challengeOf(fixture.worker, (await enrolIn(fixture)).username)).challenge,
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
  ...attacks(
    "a setup token signed by us, of a login that never was,",
    "totp_begin",
    {
      "with another id": async (setup_token: string, fixture: AttackFixture) =>
        fixture.resigned(setup_token, { jti: "A".repeat(43) }),
      "for another user": async (setup_token: string, fixture: AttackFixture) =>
        fixture.resigned(setup_token, { sub: (await setupOf(fixture)).username }),
      "for an administrator": async (setup_token: string, fixture: AttackFixture) =>
        fixture.resigned(setup_token, { sub: "root" }),
      "with the challenge of a login": async (setup_token: string, fixture: AttackFixture) =>
        fixture.resigned(setup_token, {
          jti: (await challengeOf(fixture.worker, (await enrolIn(fixture)).username)).challenge,
        }),
    },
    async (forge, fixture) => {
      const { setup_token } = await setupOf(fixture);
      const control = await fixture.ask("totp_begin", { setup_token: fixture.resigned(setup_token) });
      assert.equal(control.resp_code, 200);
      return { request: { setup_token: await forge(setup_token, fixture) }, reply: INVALID_TOKEN };
    },
  ),
  attack("a setup token that was used, after the removal of its factor", "totp_begin", async (fixture) => {
    const { setup_token, username } = await setupOf(fixture);
    const { secret } = (await fixture.ask("totp_begin", { setup_token })).resp_data;
    const { id } = (await fixture.ask("totp_confirm", { setup_token, totp: codeOf(String(secret)) }))
      .resp_data;
    const removed = await fixture.ask("factor_remove", {
      ...{ id, username },
      access_token: await fixture.adminToken(),
    });
    assert.equal(removed.resp_code, 200);
    return { request: { setup_token }, reply: INVALID_TOKEN };
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

/** The attacker has another user's session or factor id, a setup token, or a token of another type. */
export const factorRights: Attack[] = [...foreign, ...enrolments, ...setupTokens, ...names];
