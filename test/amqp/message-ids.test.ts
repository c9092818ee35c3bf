import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bodyOf, connectRaw, type RawCaller } from "../support/raw-caller.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { waitUntil } from "../support/servers/scratch.ts";

let worker: TestWorker;
let caller: RawCaller;

before(async () => {
  worker = await startWorker({ config: { app_config: { allow_registration: true } } });
  caller = await connectRaw(worker.url);
});

after(async () => {
  await caller[Symbol.asyncDispose]();
  await worker[Symbol.asyncDispose]();
});

const next = async () => {
  const count = caller.replies.length;
  return waitUntil("a reply", () => caller.replies[count]);
};

test("a reply to a request without a correlation ID has the request's message ID", async () => {
  const cases = [
    [{ messageId: "m-1" }, "m-1"],
    [{ messageId: "7" }, "7"],
    [{ messageId: "m-2", correlationId: "c-2" }, "c-2"],
    [{}, undefined],
  ] as const;
  for (const [properties, wanted] of cases) {
    const reply = next();
    caller.publish("jwks", "{}", properties);
    const { properties: got } = await reply;
    assert.equal(got.correlationId as unknown, wanted);
  }
});

test("an ID of bytes or a long text is returned unchanged in a header", async () => {
  const bytes = Buffer.from([0, 255, 1]);
  for (const [headers, wanted] of [
    [{ "x-message-id": bytes }, bytes],
    [{ "x-message-id": "x".repeat(300) }, "x".repeat(300)],
    [{ "x-message-id": bytes, "x-correlation-id": Buffer.from([9]) }, Buffer.from([9])],
  ] as const) {
    const reply = next();
    caller.publish("jwks", "{}", { headers });
    const { properties } = await reply;
    assert.deepEqual(properties.headers?.["x-correlation-id"], wanted);
    assert.equal(properties.correlationId as unknown, undefined);
  }
});

test("a body with an encoded AMQP value is decoded, and a malformed one is INVALID_JSON", async () => {
  const text = Buffer.from('{"username":"nobody"}');
  const long = Buffer.from(JSON.stringify({ username: "nobody", more: "x".repeat(300) }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(long.length);
  for (const [body, code] of [
    [Buffer.concat([Buffer.from([0, 0x53, 0x77, 0xa1, text.length]), text]), 404],
    [Buffer.concat([Buffer.from([0, 0x53, 0x77, 0xa0, text.length]), text]), 404],
    [Buffer.concat([Buffer.from([0, 0x53, 0x77, 0xb1]), length, long]), 404],
    [Buffer.concat([Buffer.from([0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x77, 0xa1, text.length]), text]), 404],
    [text, 404],
    [Buffer.from([0, 0x53, 0x77, 0xa1, 200]), 400],
    [Buffer.from([0, 0x53, 0x77]), 400],
    [Buffer.from([0]), 400],
    [Buffer.from([0, 0x53, 0x76, 0xd0]), 400],
  ] as const) {
    const reply = next();
    caller.publish("user_get", body, { type: "amqp-1.0" });
    assert.equal(bodyOf(await reply).resp_code, code, body.toString("hex"));
  }
});

test("a message ID that is a sequence number is no idempotency key", async () => {
  const register = async (username: string, messageId: string) => {
    const reply = next();
    const password = "nine lanterns at dusk";
    const request = { username, password, password_confirm: password, email: `${username}@example.com` };
    caller.publish("user_register", JSON.stringify(request), { messageId });
    return bodyOf(await reply);
  };
  assert.equal((await register("first", "1")).resp_code, 200);
  assert.equal((await register("second", "1")).resp_code, 200);
  assert.equal((await register("first", "1")).resp_data["error"], "USERNAME_TAKEN");
  // Any other message ID is a key.
  assert.equal((await register("third", "id-1")).resp_code, 200);
  assert.equal((await register("fourth", "id-1")).resp_data["error"], "IDEMPOTENCY_CONFLICT");
  assert.equal((await register("third", "id-1")).resp_code, 200);
});

test("a reply reaches the queue in an AMQP 1.0 address of version 1", async () => {
  for (const address of [`/queue/${caller.replyQueue}`, `/amq/queue/${caller.replyQueue}`]) {
    const reply = next();
    caller.publish("jwks", "{}", { replyTo: address });
    assert.equal(bodyOf(await reply).resp_code, 200);
  }
});
