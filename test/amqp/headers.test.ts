import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, connectRaw, type RawCaller } from "../support/raw-caller.ts";
import { startWorker } from "../support/worker.ts";

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const shortText = (text: string): Buffer =>
  Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)]);
const entry = (name: string, tag: string, value: Buffer): Buffer =>
  Buffer.concat([shortText(name), Buffer.from(tag), value]);
const text = (name: string, value: string): Buffer =>
  entry(name, "S", Buffer.concat([u32(Buffer.byteLength(value)), Buffer.from(value)]));

function frame(type: number, channel: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(7);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(channel, 1);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.from([0xce])]);
}

/** A 64-bit integer with the specification's tag, which amqplib neither writes nor reads. */
const LONG = entry("sent-at", "L", Buffer.from("00000193a1b2c3d4", "hex"));

/** Nested arrays. */
function nested(depth: number): Buffer {
  const parts = [shortText("deep")];
  for (let left = depth; left > 0; left--) parts.push(Buffer.from("A"), u32((left - 1) * 5));
  return Buffer.concat(parts);
}

/** Publishes with a raw header table, bypassing amqplib. */
function publish(caller: RawCaller, queue: string, headers: Buffer, request: object, id: string): void {
  const { ch } = caller.channel as unknown as { ch: number };
  const { stream } = caller.connection.connection as unknown as { stream: NodeJS.WritableStream };
  const body = Buffer.from(JSON.stringify(request));
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(body.length));
  const method = Buffer.concat([
    Buffer.from([0, 60, 0, 40, 0, 0]),
    shortText(""),
    shortText(queue),
    Buffer.from([0]),
  ]);
  // content_type, headers, correlation_id, reply_to
  const properties = [
    shortText("application/json"),
    u32(headers.length),
    headers,
    shortText(id),
    shortText(caller.replyQueue),
  ];
  const header = Buffer.concat([Buffer.from([0, 60, 0, 0]), size, Buffer.from([0xa6, 0x00]), ...properties]);
  stream.write(Buffer.concat([frame(1, ch, method), frame(2, ch, header), frame(3, ch, body)]));
}

test("headers that amqplib cannot read do not close the connection", async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "correct horse");
  await using caller = await connectRaw(worker.url);
  const tables = {
    long: LONG,
    deep: nested(5000),
    deeper: nested(20_000),
    both: Buffer.concat([nested(6000), LONG]),
  };
  for (const [id, headers] of Object.entries(tables)) {
    publish(caller, "user_get", headers, { username: "alice" }, id);
    assert.equal(bodyOf(await caller.firstReply(id)).resp_code, 200, id);
  }
  assert.deepEqual(
    worker.log.filter((line) => line.includes("lost the connection to the broker")),
    [],
  );
});

test("an idempotency key beside unreadable headers is used, and an unreadable key is rejected", async () => {
  await using worker = await startWorker();
  await using caller = await connectRaw(worker.url);
  const access_token = await worker.accessToken("root", ["admin"]);
  const request = { groupname: "created-once", access_token };
  const key = text("x-idempotency-key", "one of mine");
  for (const [id, headers] of [
    ["first", Buffer.concat([LONG, key])],
    ["second", Buffer.concat([key, LONG])],
  ] as const) {
    publish(caller, "group_create", headers, request, id);
    assert.equal(bodyOf(await caller.firstReply(id)).resp_code, 200, id);
  }
  const hidden = entry("x-idempotency-key", "L", Buffer.alloc(8));
  publish(caller, "group_create", hidden, request, "hidden");
  const { resp_code, resp_data } = bodyOf(await caller.firstReply("hidden"));
  assert.deepEqual([resp_code, resp_data["error"]], [400, "INVALID_INPUT"]);
});
