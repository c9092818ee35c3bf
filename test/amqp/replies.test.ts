import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { groupExists } from "../../src/db/queries/groups.ts";
import { bodyOf, connectRaw, type RawCaller } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

const QUEUES = [
  "login",
  "logout",
  "token",
  "user_register",
  "user_admin_create",
  "user_delete",
  "user_change",
  "user_all",
  "user_get",
  "group_all",
  "group_user",
  "group_create",
  "group_delete",
  "group_add_user",
  "group_remove_user",
];

/** Bodies that are not a JSON object in UTF-8. */
const NO_OBJECTS: Readonly<Record<string, string | Uint8Array>> = {
  "nothing at all": "",
  "no JSON": "{username: alice}",
  "half an object": '{"username":"alice"',
  "two objects": '{"username":"alice"}{}',
  "an array": '[{"username":"alice"}]',
  "a text": '"alice"',
  "a number": "42",
  "a number out of range": "1e999",
  null: "null",
  true: "true",
  NaN: '{"username":NaN}',
  "invalid UTF-8": Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  "an overlong encoding": Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]),
  "a byte order mark": '\ufeff{"username":"alice"}',
  "33 levels": `{"username":"alice","a":${"[".repeat(32)}${"]".repeat(32)}}`,
  "thousands of levels": `{"a":${"[".repeat(30_000)}`,
  "a NUL byte": '{"username":"alice"}\0',
};

describe("replies on the wire", () => {
  let worker: TestWorker;
  let caller: RawCaller;
  before(async () => {
    worker = await startWorker();
    await worker.addUser("alice", "correct horse");
    caller = await connectRaw(worker.url);
  });
  after(async () => {
    await caller[Symbol.asyncDispose]();
    await worker[Symbol.asyncDispose]();
  });

  /** The last test checks that there are no further replies. */
  const one = (correlationId: string) => caller.firstReply(correlationId);
  const idOf = ({ properties }: RawCaller["replies"][number]): unknown => properties.correlationId;

  test("have exactly the documented properties, and no header of the request", async () => {
    const before = Math.floor(Date.now() / 1000);
    caller.publish("user_get", JSON.stringify({ username: "alice" }), {
      correlationId: "properties",
      headers: { "x-secret": "do not echo" },
      appId: "stranger",
      messageId: "m-1",
      type: "request",
      priority: 3,
      persistent: true,
    });
    const reply = await one("properties");
    assert.equal(reply.fields.exchange, "");
    assert.equal(reply.fields.routingKey, caller.replyQueue);
    const given: Record<string, unknown> = Object.fromEntries(
      Object.entries(reply.properties).filter(([, value]) => value !== undefined),
    );
    const { timestamp, ...rest } = given;
    assert.deepEqual(rest, {
      correlationId: "properties",
      contentType: "application/json",
      type: "result",
      appId: "authmq",
      deliveryMode: 1,
      headers: {},
    });
    assert.ok(
      Number(timestamp) >= before && Number(timestamp) <= Date.now() / 1000,
      `${String(timestamp)} after ${before}`,
    );
    assert.deepEqual(Object.keys(bodyOf(reply)), ["resp_code", "resp_data"]);
  });

  test("return any correlation ID, and none for a request without one", async () => {
    const odd = "ü€ \n 'quoted' \u0001".repeat(5);
    caller.publish("user_get", JSON.stringify({ username: "alice" }), { correlationId: odd });
    assert.equal(bodyOf(await one(odd)).resp_code, 200);
    const count = caller.replies.length;
    caller.publish("user_get", JSON.stringify({ username: "alice" }));
    caller.publish("user_get", JSON.stringify({ username: "alice" }), { correlationId: "after-absent" });
    await one("after-absent");
    const absent = caller.replies
      .slice(count)
      .filter(({ properties }) => properties.correlationId === undefined);
    assert.deepEqual(
      absent.map((reply) => bodyOf(reply).resp_code),
      [200],
    );
  });

  for (const queue of QUEUES) {
    test(`of ${queue} are exactly one 400 for each body that is not a JSON object`, async () => {
      for (const [name, body] of Object.entries(NO_OBJECTS)) {
        caller.publish(queue, body, { correlationId: `${queue}: ${name}` });
      }
      for (const name of Object.keys(NO_OBJECTS)) {
        const { resp_code, resp_data } = bodyOf(await one(`${queue}: ${name}`));
        assert.deepEqual([name, resp_code, resp_data["error"]], [name, 400, "INVALID_JSON"]);
      }
    });
  }

  test("accept 32 levels and escaped or quoted brackets", async () => {
    const deep = `{"username":"alice","a":${"[".repeat(31)}${"]".repeat(31)}}`;
    const quoted = JSON.stringify({ username: "alice", a: `${'["{'.repeat(100)}\\"` });
    for (const [id, body] of Object.entries({ deep, quoted })) {
      caller.publish("user_get", body, { correlationId: id });
      assert.equal(bodyOf(await one(id)).resp_code, 200, id);
    }
  });

  test("are 413 one byte above the size limit", async () => {
    const sized = (bytes: number): string => JSON.stringify({ username: "alice" }).padEnd(bytes, " ");
    caller.publish("user_get", sized(65_537), { correlationId: "large" });
    caller.publish("user_get", sized(65_536), { correlationId: "fits" });
    caller.publish("user_get", Buffer.alloc(3_000_000, 0x20), { correlationId: "huge" });
    assert.equal(bodyOf(await one("large")).resp_code, 413);
    assert.equal(bodyOf(await one("fits")).resp_code, 200);
    assert.equal(bodyOf(await one("huge")).resp_data["error"], "REQUEST_TOO_LARGE");
  });

  test("are not sent without reply_to, and the request is executed", async () => {
    const access_token = await worker.accessToken("root", ["admin"]);
    const body = JSON.stringify({ groupname: "silent", access_token });
    caller.channel.publish("", "group_create", Buffer.from(body), { correlationId: "silent" });
    await waitUntil("the group", async () => (await groupExists(worker.db, "silent")) || undefined);
    assert.equal(
      caller.replies.some(({ properties }) => properties.correlationId === "silent"),
      false,
    );
  });

  test("that cannot be routed are dropped, and the request is not redelivered", async () => {
    caller.publish("user_get", JSON.stringify({ username: "alice" }), { replyTo: "nobody.has.this.queue" });
    caller.publish("user_get", JSON.stringify({ username: "alice" }), { replyTo: "é".repeat(127) });
    caller.publish("user_get", JSON.stringify({ username: "alice" }), { correlationId: "routable" });
    assert.deepEqual(
      (await caller.settledReplies("routable")).map((reply) => bodyOf(reply).resp_code),
      [200],
    );
    const { messageCount } = await caller.channel.checkQueue("user_get");
    assert.equal(messageCount, 0);
  });

  test("to a queue of the worker itself cause no loop", async () => {
    caller.publish("user_get", JSON.stringify({ username: "alice" }), {
      replyTo: "login",
      correlationId: "loop",
    });
    caller.publish("user_get", JSON.stringify({ username: "alice" }), { correlationId: "not a loop" });
    assert.deepEqual(
      (await caller.settledReplies("not a loop")).map((reply) => bodyOf(reply).resp_code),
      [200],
    );
    assert.equal(
      caller.replies.some(({ properties }) => properties.correlationId === "loop"),
      false,
    );
  });

  test("contain no values of a failed request", async () => {
    const secret = "hunter2-hunter2";
    for (const [index, request] of [
      { username: "alice", password: secret, ip: secret },
      { username: secret.repeat(20), password: secret },
      { username: "alice", password: [secret], vhost: { [secret]: secret } },
      { username: "alice", password: `${secret}\ud800` },
    ].entries()) {
      caller.publish("login", JSON.stringify(request), { correlationId: `secret-${index}` });
      const reply = await one(`secret-${index}`);
      assert.equal(bodyOf(reply).resp_code, 400);
      assert.equal(reply.content.includes(secret), false);
    }
    caller.publish("login", `{"username":"alice","password":"${secret}"`, { correlationId: "secret-json" });
    assert.equal((await one("secret-json")).content.includes(secret), false);
    assert.equal(
      worker.log.some((line) => line.includes(secret)),
      false,
    );
  });

  test("arrived exactly once for each request above", async () => {
    caller.publish("user_get", JSON.stringify({ username: "alice" }), { correlationId: "the last one" });
    await caller.settledReplies("the last one");
    const ids = caller.replies.map(idOf).filter((id) => id !== undefined);
    assert.deepEqual(
      ids.filter((id, index) => ids.indexOf(id) < index),
      [],
    );
  });
});
