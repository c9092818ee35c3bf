import assert from "node:assert/strict";
import { attack, type Attack, attacks } from "../attack.ts";
import {
  CONFLICT,
  FORBIDDEN,
  INVALID_CREDENTIALS,
  NOT_ACTIVATED,
  ok,
  tooMany,
  USER_NOT_FOUND,
  LOGGED_IN,
  noToken,
} from "../envelopes.ts";
import { BUSY_FOR, exhaust, failures } from "../guessing.ts";
import { PASSWORD, type AttackFixture } from "../fixture.ts";

const busy = tooMany(BUSY_FOR);

/** Runs an attack on the installation where only three failures are free, instead of ten. */
const sooner = (one: Attack): Attack => ({ ...one, on: "closed" });

/** Accounts whose password is guessed: all get exactly the same replies. */
const VICTIMS: Readonly<Record<string, (fixture: AttackFixture) => Promise<string> | string>> = {
  "a user": async ({ newUser }) => (await newUser()).username,
  "a deactivated user": async ({ newUser }) => (await newUser({ activated: false })).username,
  "a directory user": async ({ newUser }) => (await newUser({ authType: "LDAP" })).username,
  "a Kerberos user": async ({ newUser }) => (await newUser({ authType: "KERBEROS" })).username,
  "an unknown username": ({ newName }) => newName(),
  "a user without a hash": async ({ newUser, db }) => {
    const { username } = await newUser();
    await db.updateTable("user").set({ password_hash: null }).where("username", "=", username).execute();
    return username;
  },
};

const alike = [
  ...attacks("a wrong password of", "login", VICTIMS, async (victim, fixture) => ({
    request: { username: await victim(fixture), password: "a first guess" },
    reply: INVALID_CREDENTIALS,
  })),
  ...attacks("the eleventh wrong password of", "login", VICTIMS, async (victim, fixture) => {
    const username = await victim(fixture);
    await exhaust(fixture, { username });
    return { request: { username, password: "a guess too many" }, reply: busy };
  }),
];

const waiting = [
  attack("the right password after ten wrong passwords", "login", async (fixture) => {
    const { username, password } = await fixture.newUser();
    await exhaust(fixture, { username });
    return {
      request: { username, password },
      reply: busy,
      after: async () => {
        const token = await fixture.db
          .selectFrom("token")
          .where("user_id", "=", username)
          .selectAll()
          .execute();
        assert.deepEqual(token, []);
      },
    };
  }),
  attack("the right password of a deactivated user after ten wrong passwords", "login", async (fixture) => {
    const { username, password } = await fixture.newUser({ activated: false });
    await exhaust(fixture, { username });
    return { request: { username, password }, reply: busy };
  }),
  attack(
    "the right password of a deactivated user, which alone reveals the deactivation",
    "login",
    async ({ newUser }) => {
      const { username, password } = await newUser({ activated: false });
      return { request: { username, password }, reply: NOT_ACTIVATED };
    },
  ),
  attack("ten concurrent wrong passwords, and one more", "login", async (fixture) => {
    const { username } = await fixture.newUser();
    await Promise.all(Array.from({ length: 10 }, () => failures(fixture, { username }, 1)));
    await exhaust(fixture, { username }, 0);
    return { request: { username, password: "a guess too many" }, reply: busy };
  }),
];

/** Addresses of ten failures and of the eleventh attempt: the same client address in two spellings. */
const SAME_SOURCES: Readonly<Record<string, readonly [first: object, then: object]>> = {
  "no ip, and any": [{}, { ip: "*" }],
  "no ip, and null": [{}, { ip: null }],
  "an address, and the same address mapped into IPv6": [{ ip: "192.0.2.50" }, { ip: "::ffff:192.0.2.50" }],
  "an address, and the same address mapped in hexadecimal digits": [
    { ip: "192.0.2.51" },
    { ip: "::ffff:c000:233" },
  ],
  "an IPv6 address, and the same address at full length": [
    { ip: "2001:db8:5::1" },
    { ip: "2001:0DB8:0005:0000:0000:0000:0000:0001" },
  ],
  "two IPv6 addresses of one network": [
    { ip: "2001:db8:6:7::1" },
    { ip: "2001:db8:6:7:ffff:ffff:ffff:ffff" },
  ],
  "two IPv6 addresses of one network with a gap before": [{ ip: "::1:0:0:0:1" }, { ip: "0:0:0:1::2" }],
  "another vhost": [{ vhost: "prod" }, { vhost: "staging" }],
  "more fields": [{}, { user_id: "somebody", source: "192.0.2.99", x: 1 }],
};

const sources = [
  ...attacks(
    "a guess too many from the same client address:",
    "login",
    SAME_SOURCES,
    async ([first, then], fixture) => {
      const { username } = await fixture.newUser();
      await exhaust(fixture, { username, ...first });
      return { request: { username, password: "a guess too many", ...then }, reply: busy };
    },
  ),
  ...attacks(
    "a guess too many for a username spelled",
    "login",
    {
      "in capitals": (name: string) => name.toUpperCase(),
      "with one capital": (name: string) => `P${name.slice(1)}`,
    },
    async (write, fixture) => {
      const { username } = await fixture.newUser();
      await exhaust(fixture, { username });
      return { request: { username: write(username), password: "a guess too many" }, reply: busy };
    },
  ),
  attack("a guess too many for an unknown username, in capitals", "login", async (fixture) => {
    const username = fixture.newName();
    await exhaust(fixture, { username });
    return { request: { username: username.toUpperCase(), password: "a guess too many" }, reply: busy };
  }),
  ...attacks(
    "a guess too many that comes with",
    "login",
    {
      "a key of its own": { messageId: "guess-eleven" },
      "a key in a header": { headers: { "x-idempotency-key": "guess-eleven" } },
      "another application": { appId: "somebody-else" },
      "an address in a header": { headers: { "x-forwarded-for": "192.0.2.99" } },
    },
    async (properties, fixture) => {
      const { username } = await fixture.newUser();
      await exhaust(fixture, { username });
      return { request: { username, password: "a guess too many" }, properties, reply: busy };
    },
  ),
  attack("a guess too many after the attacker has logged in to its own account", "login", async (fixture) => {
    const [victim, own] = [await fixture.newUser(), await fixture.newUser()];
    await failures(fixture, victim, 1);
    await fixture.idToken(own);
    await exhaust(fixture, victim, 2);
    return { request: { username: victim.username, password: "a guess too many" }, reply: busy };
  }),
  attack("the user's login from another address than the guesses", "login", async (fixture) => {
    const { username, password } = await fixture.newUser();
    await exhaust(fixture, { username, ip: "192.0.2.60" });
    return { request: { username, password, ip: "192.0.2.61" }, reply: LOGGED_IN };
  }),
  attack("a guess from another network than the throttled guesses", "login", async (fixture) => {
    const { username } = await fixture.newUser();
    await exhaust(fixture, { username, ip: "2001:db8:8:1::1" });
    return { request: { username, password: "a guess", ip: "2001:db8:8:2::1" }, reply: INVALID_CREDENTIALS };
  }),
  attack("another user's login from the address of the throttled guesses", "login", async (fixture) => {
    const [victim, bystander] = [await fixture.newUser(), await fixture.newUser()];
    await exhaust(fixture, { username: victim.username, ip: "192.0.2.62" });
    return { request: { ...bystander, ip: "192.0.2.62" }, reply: LOGGED_IN };
  }),
];

async function withKey(fixture: AttackFixture): Promise<{ username: string; key: string }> {
  const { username, password } = await fixture.newUser();
  const key = `key-${fixture.newName()}`;
  const body = Buffer.from(JSON.stringify({ username, password }));
  await fixture.wire.firstReply(fixture.wire.send("login", body, { messageId: key }));
  return { username, key };
}

const oracle = [
  attack("a wrong password with the key of a successful login", "login", async (fixture) => {
    const { username, key } = await withKey(fixture);
    return { request: { username, password: "a guess" }, properties: { messageId: key }, reply: CONFLICT };
  }),
  attack("a wrong password too many with the key of a successful login", "login", async (fixture) => {
    const { username, key } = await withKey(fixture);
    await exhaust(fixture, { username }, undefined, key);
    return {
      request: { username, password: "a guess too many" },
      properties: { messageId: key },
      reply: busy,
    };
  }),
  attack(
    "the right password with the key of a login, after too many wrong passwords",
    "login",
    async (fixture) => {
      const { username, key } = await withKey(fixture);
      await exhaust(fixture, { username }, undefined, key);
      return { request: { username, password: PASSWORD }, properties: { messageId: key }, reply: busy };
    },
  ),
];

const unlocking = [
  ...attacks(
    "a throttled account is unlocked by",
    "user_unlock",
    { "a plain user": ["bobby", []], "a user with a similar group": ["bobby", ["Admin"]] } as const,
    async ([name, groups], fixture) => {
      const { username } = await fixture.newUser();
      await exhaust(fixture, { username });
      return {
        request: { username, access_token: await fixture.accessToken(name, groups) },
        reply: FORBIDDEN,
      };
    },
  ),
  attack("a throttled account is unlocked by its own user", "user_unlock", async (fixture) => {
    const { username } = await fixture.newUser();
    await exhaust(fixture, { username });
    return { request: { username, access_token: await fixture.accessToken(username) }, reply: FORBIDDEN };
  }),
  attack("a throttled account is unlocked without a token", "user_unlock", async (fixture) => {
    const { username } = await fixture.newUser();
    await exhaust(fixture, { username });
    return { request: { username }, reply: noToken("access_token") };
  }),
  attack(
    "a throttled account is unlocked by an administrator, and its user logs in",
    "user_unlock",
    async (fixture) => {
      const { username, password } = await fixture.newUser();
      await exhaust(fixture, { username });
      return {
        request: { username: username.toUpperCase(), access_token: await fixture.adminToken() },
        reply: ok({ msg: `unlocked user ${username}` }),
        after: async () => {
          assert.equal((await fixture.ask("login", { username, password })).resp_code, 200);
        },
      };
    },
  ),
  attack("an unknown username without failures is unlocked", "user_unlock", async ({ adminToken }) => ({
    request: { username: "nobody-guessed", access_token: await adminToken() },
    reply: USER_NOT_FOUND,
  })),
  attack("a ticket instead of the throttled password", "login", async (fixture) => {
    const { username } = await fixture.newUser();
    await exhaust(fixture, { username });
    return { request: { username, kerberos_ticket: "YIIB" }, reply: INVALID_CREDENTIALS };
  }),
];

/** The attacker guesses passwords. */
export const guesses: Attack[] = [...alike, ...waiting, ...[...sources, ...oracle, ...unlocking].map(sooner)];
