import assert from "node:assert/strict";
import type { Options } from "amqplib";
import { groupExists } from "../../../src/db/queries/groups.ts";
import { waitUntil } from "../../support/servers/scratch.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import {
  CONFLICT,
  FORBIDDEN,
  GROUP_TAKEN,
  INVALID_JSON,
  invalid,
  moment,
  ok,
  noToken,
} from "../envelopes.ts";
import { PASSWORD, type AttackFixture } from "../fixture.ts";

const request = { username: "alice" };
const alice = ok({ username: "alice", activated: true, created_at: moment });

/** Removes the valid reply_to, which amqplib's types do not allow. */
const NO_REPLY_TO = { replyTo: undefined } as unknown as Options.Publish;

/** Asserts that the worker still replies, over the same connections. */
function assertStillServing({ ask, worker }: AttackFixture): () => Promise<void> {
  return async () => {
    assert.equal((await ask("user_get", request)).resp_code, 200);
    const lost = worker.log.filter((line) => /"purpose":"(?:requests|replies)"/.test(line));
    assert.deepEqual(lost, []);
  };
}

/** Invalid or harmful values of reply_to. */
const REPLY_ADDRESSES: Readonly<Record<string, string>> = {
  "an empty string": "",
  "a malformed direct reply-to": "amq.rabbitmq.reply-to.a.b",
  "a direct reply-to of an unknown process":
    "amq.rabbitmq.reply-to.g1h2AA5yZXBseUAxMjM0NTY3OAAAAAAAAAAAAAAAAA==.x",
  "a direct reply-to with many dots": `amq.rabbitmq.reply-to${".".repeat(200)}`,
  "a missing queue": "nobody.has.this.queue",
  "the queue login": "login",
  "its own queue": "user_get",
  "a name of 255 bytes": "r".repeat(255),
  "a name with a NUL and a newline": "reply\0\n",
};

const replyAddresses = [
  ...attacks("a request whose reply_to is", "user_get", REPLY_ADDRESSES, (replyTo, fixture) => ({
    request,
    properties: { replyTo },
    reply: "none",
    after: assertStillServing(fixture),
  })),
  attack("a request with direct reply-to from a caller that does not consume", "user_get", {
    request,
    properties: { replyTo: "amq.rabbitmq.reply-to" },
    reply: "broker",
  }),
  attack("a request without reply_to is processed without a reply", "group_create", async (fixture) => {
    const groupname = fixture.newName();
    return {
      request: { groupname, access_token: await fixture.adminToken() },
      properties: NO_REPLY_TO,
      reply: "none",
      after: async () => {
        await waitUntil("the group", async () => (await groupExists(fixture.db, groupname)) || undefined);
      },
    };
  }),
  attack("an empty message without reply_to", "login", (fixture) => ({
    request: "\0",
    properties: NO_REPLY_TO,
    reply: "none",
    after: assertStillServing(fixture),
  })),
];

function nested(levels: number): object {
  return levels === 0 ? {} : { deeper: nested(levels - 1) };
}

/** Headers and properties with a meaning for a broker or a client. */
const HARMLESS: Readonly<Record<string, Options.Publish>> = {
  "headers nested 500 times": { headers: nested(500) },
  "1000 headers": {
    headers: Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`h${index}`, index])),
  },
  "a header in __proto__": { headers: JSON.parse('{"__proto__":{"x-idempotency-key":7}}') as object },
  "CC to its own queue": { headers: { CC: ["user_get"] } },
  "CC to a missing queue": { headers: { CC: ["nobody.has.this.queue"] } },
  "BCC to a missing queue": { headers: { BCC: ["nobody.has.this.queue"] } },
  "the x-death header of a dead letter": {
    headers: { "x-death": [{ count: 99, reason: "rejected", queue: "user_get" }] },
  },
  "the highest priority": { priority: 255 },
  "another content encoding": { contentEncoding: "gzip" },
  "the type and application of a reply": { type: "result", appId: "authmq" },
  "an app_id with terminal colours": { appId: "\u001b[31mred\u001b[0m\n" },
  "a time in the far future": { timestamp: 2 ** 60 },
  "a key of 255 bytes": { messageId: "k".repeat(255) },
  "an empty message_id": { messageId: "" },
  "a correlation id of 255 bytes": { correlationId: "c".repeat(255) },
  "a correlation id with special characters": { correlationId: "\u0001\n'\"<script>é€😀" },
  "an empty correlation id": { correlationId: "" },
};

const harmless = [
  ...attacks("a request with", "user_get", HARMLESS, (properties) => ({ request, properties, reply: alice })),
  attack("a request with a binary correlation id", "user_get", {
    request,
    rawCorrelationId: Buffer.from([0xff, 0x00, 0xfe, 0x80]),
    reply: alice,
  }),
  attack("a request with a binary correlation id of 255 bytes", "user_get", {
    request,
    rawCorrelationId: Buffer.alloc(255, 0xff),
    reply: alice,
  }),
  attack("a compressed request with a content encoding", "user_get", {
    request: Buffer.from([0x1f, 0x8b, 0x08]),
    properties: { contentEncoding: "gzip" },
    reply: INVALID_JSON,
  }),
  ...attacks(
    "a message that the broker rejects, with",
    "user_get",
    {
      "another one's user_id": { userId: "root" },
      "an expiration that is a word": { expiration: "soon" },
      "a negative expiration": { expiration: "-1" },
      "a CC header that is not a list": { headers: { CC: "login" } },
    },
    (properties) => ({ request, properties, reply: "broker" }),
  ),
  attack("a request with an expiration of 0", "group_create", async (fixture) => ({
    request: { groupname: `never-${fixture.newName()}`, access_token: await fixture.adminToken() },
    properties: { expiration: "0" },
    reply: "none",
    after: assertStillServing(fixture),
  })),
  ...attacks(
    "an administrator's token in",
    "user_all",
    {
      "a header": (token: string) => ({ headers: { access_token: token, authorization: `Bearer ${token}` } }),
      "the content type": (token: string) => ({ contentType: token.slice(0, 255) }),
    },
    async (place, { adminToken }) => ({
      request: {},
      properties: place(await adminToken()),
      reply: noToken("access_token"),
    }),
  ),
];

const NO_KEY = invalid(["x-idempotency-key", "must be a string of 1 to 255 bytes"]);

const badKeys = attacks(
  "an idempotency key that is",
  "group_create",
  {
    "a number": 7,
    true: true,
    "an empty string": "",
    "of 256 bytes": "k".repeat(256),
    "of 256 bytes in 128 characters": "é".repeat(128),
    "in a list": ["key"],
    "in a table": { key: "key" },
    "in bytes": Buffer.from("key"),
  },
  async (key, fixture) => ({
    request: { groupname: `never-${fixture.newName()}`, access_token: await fixture.adminToken() },
    properties: { headers: { "x-idempotency-key": key } },
    reply: NO_KEY,
  }),
);

/** Creates a group with an idempotency key, as an administrator named root. */
async function created(
  fixture: AttackFixture,
): Promise<{ groupname: string; key: string; access_token: string }> {
  const [groupname, key, access_token] = [
    fixture.newName(),
    `key-${fixture.newName()}`,
    await fixture.adminToken(),
  ];
  const id = fixture.wire.send("group_create", Buffer.from(JSON.stringify({ groupname, access_token })), {
    messageId: key,
  });
  await fixture.wire.firstReply(id);
  return { groupname, key, access_token };
}

/** Keys that resemble another key. */
const OTHER_KEYS: Readonly<Record<string, (key: string) => string>> = {
  "in capitals": (key) => key.toUpperCase(),
  "and a space": (key) => `${key} `,
  "and a NUL": (key) => `${key}\0`,
};

const keys = [
  attack("another administrator's key and body", "group_create", async (fixture) => {
    const { groupname, key } = await created(fixture);
    const access_token = await fixture.accessToken("another-one", ["admin"]);
    return { request: { groupname, access_token }, properties: { messageId: key }, reply: GROUP_TAKEN };
  }),
  attack("an administrator's key and body, with a plain user's token", "group_create", async (fixture) => {
    const { groupname, key } = await created(fixture);
    const access_token = await fixture.accessToken("bobby");
    return { request: { groupname, access_token }, properties: { messageId: key }, reply: FORBIDDEN };
  }),
  attack(
    "an administrator's key and body, with the same username without the admin group",
    "group_create",
    async (fixture) => {
      const { groupname, key } = await created(fixture);
      const access_token = await fixture.accessToken("root", ["dev"]);
      return { request: { groupname, access_token }, properties: { messageId: key }, reply: FORBIDDEN };
    },
  ),
  attack("an administrator's key and body, without a token", "group_create", async (fixture) => {
    const { groupname, key } = await created(fixture);
    return { request: { groupname }, properties: { messageId: key }, reply: noToken("access_token") };
  }),
  attack("a caller's own key with another body", "group_create", async (fixture) => {
    const { key, access_token } = await created(fixture);
    return {
      request: { groupname: `never-${fixture.newName()}`, access_token },
      properties: { messageId: key },
      reply: CONFLICT,
    };
  }),
  attack("a caller's own key in a header, with another body", "group_create", async (fixture) => {
    const { key, access_token } = await created(fixture);
    return {
      request: { groupname: `never-${fixture.newName()}`, access_token },
      properties: { messageId: "fresh", headers: { "x-idempotency-key": key } },
      reply: CONFLICT,
    };
  }),
  ...attacks(
    "a key similar to a used key, with the same body,",
    "group_create",
    OTHER_KEYS,
    async (change, fixture) => {
      const { groupname, key, access_token } = await created(fixture);
      return {
        request: { groupname, access_token },
        properties: { messageId: change(key) },
        reply: GROUP_TAKEN,
      };
    },
  ),
  attack("a key of another queue", "group_user", async (fixture) => {
    const { groupname, key, access_token } = await created(fixture);
    return { request: { groupname, access_token }, properties: { messageId: key }, reply: ok({ users: [] }) };
  }),
  attack("a registration with the key of another registration", "user_register", async (fixture) => {
    const key = `key-${fixture.newName()}`;
    const account = () => {
      const username = fixture.newName();
      const email = `${username}@example.com`;
      return { username, password: PASSWORD, password_confirm: PASSWORD, email };
    };
    const id = fixture.wire.send("user_register", Buffer.from(JSON.stringify(account())), { messageId: key });
    await fixture.wire.firstReply(id);
    return { request: account(), properties: { messageId: key }, reply: CONFLICT };
  }),
];

/** The attacker sends messages with harmful properties. */
export const messages: Attack[] = [...replyAddresses, ...harmless, ...badKeys, ...keys];
