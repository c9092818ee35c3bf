import assert from "node:assert/strict";
import { toSqlTime } from "../../../src/db/time.ts";
import type { QueueName } from "../../../src/wire/queues.ts";
import { Authenticator } from "../../support/authenticator.ts";
import { ORIGIN } from "../../support/second-factor.ts";
import { decodePart } from "../../tokens/craft.ts";
import { attack, type Attack, attacks, pick, type AttackContext } from "../attack.ts";
import {
  FORBIDDEN,
  INVALID_TOKEN,
  invalid,
  NO_IP,
  NOT_A_STRING,
  NOT_ACTIVATED,
  noToken,
  ok,
} from "../envelopes.ts";
import { PASSWORD, type AttackFixture } from "../fixture.ts";

interface Holder {
  readonly username: string;
  readonly password: string;
  readonly id_token: string;
}

async function holder(fixture: AttackFixture, more: object = {}): Promise<Holder> {
  const person = await fixture.newUser();
  return { ...person, id_token: await fixture.idToken(person, more) };
}

async function succeed({ ask }: AttackFixture, queue: QueueName, request: object): Promise<void> {
  const reply = await ask(queue, request);
  assert.equal(reply.resp_code, 200, JSON.stringify(reply));
}

/** Events that end a session, after which its ID token is invalid. */
const ENDS: Readonly<Record<string, (fixture: AttackFixture, holder: Holder) => Promise<unknown>>> = {
  "a logout": (fixture, { id_token }) => succeed(fixture, "logout", { id_token }),
  "another login": (fixture, person) => fixture.idToken(person),
  "a new password, by the user": async (fixture, { username }) =>
    succeed(fixture, "user_change", {
      username,
      password: "quite another one",
      access_token: await fixture.accessToken(username),
    }),
  "a new password, by an administrator": async (fixture, { username }) =>
    succeed(fixture, "user_change", {
      username,
      password: PASSWORD,
      access_token: await fixture.adminToken(),
    }),
  "the deletion of the user": async (fixture, { username }) =>
    succeed(fixture, "user_delete", { username, access_token: await fixture.adminToken() }),
  "the deletion of the user, whose name was registered again": async (fixture, { username }) => {
    await succeed(fixture, "user_delete", { username, access_token: await fixture.adminToken() });
    await fixture.newUser({ username });
    await fixture.idToken({ username, password: PASSWORD });
  },
  "the expiry of its row": (fixture, { username }) =>
    fixture.db
      .updateTable("token")
      .set({ valid_until: toSqlTime(new Date(Date.now() - 1)) })
      .where("user_id", "=", username)
      .execute(),
  "a change of its row's algorithm": (fixture, { username }) =>
    fixture.db.updateTable("token").set({ sign_method: "HS256" }).where("user_id", "=", username).execute(),
  "a change of its row's address": (fixture, { username }) =>
    fixture.db.updateTable("token").set({ ip: "192.0.2.99" }).where("user_id", "=", username).execute(),
  "the transfer of its row to another user": async (fixture, { username }) => {
    const other = await fixture.newUser();
    await fixture.db
      .updateTable("token")
      .set({ user_id: other.username })
      .where("user_id", "=", username)
      .execute();
  },
};

const endedFor = (end: (typeof ENDS)[string], fixture: AttackFixture): Promise<AttackContext> =>
  holder(fixture).then(async (held) => {
    await end(fixture, held);
    return { request: { id_token: held.id_token }, reply: INVALID_TOKEN };
  });

const sessionsIn = ({ db }: AttackFixture) =>
  db.selectFrom("token").selectAll().orderBy("token_id").execute();

const ended = [
  ...attacks("an ID token on the queue token after", "token", ENDS, endedFor),
  ...attacks(
    "an ID token on the queue logout, without an effect, after",
    "logout",
    pick(ENDS, "a logout", "another login", "the deletion of the user, whose name was registered again"),
    async (end, fixture) => {
      const held = await holder(fixture);
      await end(fixture, held);
      const sessions = await sessionsIn(fixture);
      return {
        request: { id_token: held.id_token },
        reply: ok({ msg: `logged out ${held.username}` }),
        after: async () => assert.deepEqual(await sessionsIn(fixture), sessions),
      };
    },
  ),
  ...attacks(
    "an ID token on the queue logout after",
    "logout",
    pick(ENDS, "a change of its row's algorithm", "the transfer of its row to another user"),
    endedFor,
  ),
];

const deactivated = [
  attack("an ID token of an account that was deactivated later", "token", async (fixture) => {
    const { username, id_token } = await holder(fixture);
    const access_token = await fixture.adminToken();
    await succeed(fixture, "user_change", { username, activated: false, access_token });
    return { request: { id_token }, reply: NOT_ACTIVATED };
  }),
  attack(
    "an ID token with more groups than its user: the access token has only the user's groups",
    "group_create",
    async (fixture) => {
      const person = await fixture.newUser({ groups: ["operators"] });
      const id_token = await fixture.idToken(person);
      const { resp_data } = await fixture.ask("token", { id_token });
      assert.deepEqual(decodePart(String(resp_data["access_token"]), 1)["groups"], ["operators"]);
      const forged = fixture.resigned(id_token, { groups: ["admin"] });
      const exchanged = await fixture.ask("token", { id_token: forged });
      return {
        request: { groupname: "stolen", access_token: exchanged.resp_data["access_token"] },
        reply: FORBIDDEN,
      };
    },
  ),
];

/** Values of ip from which a token that is bound to 10.0.0.1 must be rejected. */
const PLACES: Readonly<Record<string, object>> = {
  nowhere: {},
  "an ip of null": { ip: null },
  "any ip": { ip: "*" },
  "another ip": { ip: "10.0.0.2" },
  "another ip, mapped into IPv6": { ip: "::ffff:10.0.0.2" },
  "the ip, as compatible IPv6": { ip: "::10.0.0.1" },
  "the ip behind 6to4": { ip: "2002:a00:1::" },
};

const INVALID_ADDRESSES: Readonly<Record<string, string>> = {
  "the ip with zeros": "010.000.000.001",
  "the ip as one number": "167772161",
  "the ip and a newline": "10.0.0.1\n",
  "the ip as a network": "10.0.0.1/32",
  "two ips": "10.0.0.2,10.0.0.1",
};

const fromPlace = async (place: object, fixture: AttackFixture): Promise<AttackContext> => {
  const { id_token } = await holder(fixture, { ip: "10.0.0.1" });
  return {
    request: { id_token, ...place },
    reply: INVALID_TOKEN,
    after: () => succeed(fixture, "token", { id_token, ip: "10.0.0.1" }),
  };
};

const places = [
  ...attacks("a bound ID token on the queue token from", "token", PLACES, fromPlace),
  ...attacks(
    "a bound ID token on the queue logout from",
    "logout",
    pick(PLACES, "nowhere", "any ip", "another ip"),
    fromPlace,
  ),
  ...attacks("a bound ID token from", "token", INVALID_ADDRESSES, async (ip, fixture) => ({
    request: { id_token: (await holder(fixture, { ip: "10.0.0.1" })).id_token, ip },
    reply: invalid(["ip", NO_IP]),
  })),
  attack("a bound ID token from the ip in a list", "token", async (fixture) => ({
    request: { id_token: (await holder(fixture, { ip: "10.0.0.1" })).id_token, ip: ["10.0.0.1"] },
    reply: invalid(["ip", NOT_A_STRING]),
  })),
  attack("an ID token that is bound to an IPv6 address, from the next address", "token", async (fixture) => ({
    request: { id_token: (await holder(fixture, { ip: "2001:db8::1" })).id_token, ip: "2001:db8::2" },
    reply: INVALID_TOKEN,
  })),
  attack(
    "an ID token that is bound to an IPv6 address, from the same address with a zone",
    "token",
    async (fixture) => ({
      request: { id_token: (await holder(fixture, { ip: "fe80::1" })).id_token, ip: "fe80::1%eth0" },
      reply: invalid(["ip", NO_IP]),
    }),
  ),
  attack(
    "a revoked bound ID token on the queue logout with a key, from another address",
    "logout",
    async (fixture) => {
      const { id_token } = await holder(fixture, { ip: "10.0.0.1" });
      await succeed(fixture, "logout", { id_token, ip: "10.0.0.1" });
      return {
        request: { id_token, ip: "10.0.0.2" },
        properties: { messageId: `dead-${id_token.slice(-40)}` },
        reply: INVALID_TOKEN,
      };
    },
  ),
];

/** A credential that answers no challenge of this installation. */
const CREDENTIAL = new Authenticator().create(
  { rp: { id: "example.com" }, user: { id: "AAAA" }, challenge: "AAAA" },
  { origin: ORIGIN },
);

/** Every queue that requires an access token, with valid fields. */
export const ACCESS_QUEUES: Readonly<Partial<Record<QueueName, object>>> = {
  user_admin_create: { username: "made-by-me", password: PASSWORD, email: "made@example.com" },
  user_delete: { username: "alice" },
  user_change: { username: "alice", email: "changed@example.com" },
  user_unlock: { username: "alice" },
  session_all: { username: "alice" },
  session_revoke: { username: "alice" },
  api_key_create: { username: "alice", name: "made by me" },
  api_key_all: { username: "alice" },
  api_key_revoke: { username: "alice", id: "1" },
  totp_begin: {},
  totp_confirm: { totp: "123456" },
  passkey_begin: {},
  passkey_confirm: { credential: CREDENTIAL, name: "made by me" },
  factor_all: { username: "alice" },
  factor_remove: { username: "alice", id: "1" },
  recovery_codes_renew: {},
  user_all: {},
  user_get: { username: "alice" },
  group_all: {},
  group_user: { groupname: "admin" },
  group_create: { groupname: "made-by-me" },
  group_delete: { groupname: "dev" },
  group_add_user: { groupname: "admin", username: "alice" },
  group_remove_user: { groupname: "dev", username: "alice" },
  audit_log: {},
};

const swapped = Object.entries(ACCESS_QUEUES).map(([queue, fields]) =>
  attack(
    `an ID token of an administrator instead of an access token on ${queue}`,
    queue as QueueName,
    async (fixture) => ({
      request: { ...fields, access_token: await fixture.idToken({ username: "root", password: PASSWORD }) },
      reply: INVALID_TOKEN,
    }),
  ),
);

const misplaced = [
  attack("an ID token in the field access_token", "token", async (fixture) => ({
    request: { access_token: (await holder(fixture)).id_token },
    reply: noToken("id_token"),
  })),
  ...attacks(
    "instead of an ID token",
    "token",
    { nothing: undefined, null: null, "an empty string": "", "its bare id": "4611686018427387904" },
    (id_token) => ({
      request: { id_token },
      reply: typeof id_token === "string" ? INVALID_TOKEN : noToken("id_token"),
    }),
  ),
  attack("an ID token in a list", "token", async (fixture) => ({
    request: { id_token: [(await holder(fixture)).id_token] },
    reply: invalid(["id_token", NOT_A_STRING]),
  })),
];

/** The attacker has another user's ID token. */
export const stolenIdTokens: Attack[] = [...ended, ...deactivated, ...places, ...swapped, ...misplaced];
