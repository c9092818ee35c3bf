import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { bodyOf, connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";

const page = readFileSync(resolve(import.meta.dirname, "../../docs/wire.md"), "utf8");

/** A section of the page: the rows of its table and its JSON. */
function read(heading: string) {
  const [, rest = ""] = page.split(`## ${heading}\n`);
  const [text = ""] = rest.split("\n## ");
  const rows = text.matchAll(/^\| `(\w+)` \| `(\S+)` \|/gm);
  const bodies = text.matchAll(/^```json\n(.*?)^```/gms);
  return {
    properties: Object.fromEntries(Array.from(rows, ([, name = "", value = ""]) => [name, value])),
    bodies: Array.from(bodies, ([, body = ""]) => body.trim()),
  };
}

test("the request of docs/wire.md gets the reply of docs/wire.md", async () => {
  const request = read("Request");
  const reply = read("Reply");
  const [body = assert.fail("a request")] = request.bodies;
  const { username, password } = JSON.parse(body) as { username: string; password: string };
  await using worker = await startWorker();
  await worker.addUser(username, password);
  await using raw = await connectRaw(worker.url);
  const { correlation_id, message_id, expiration, content_type, delivery_mode } = request.properties;
  const properties = {
    correlationId: correlation_id ?? assert.fail("a correlation id"),
    messageId: message_id ?? assert.fail("a message id"),
    expiration: expiration ?? assert.fail("an expiration"),
    contentType: content_type ?? assert.fail("a content type"),
    deliveryMode: Number(delivery_mode),
  };
  const ask = async (text: string) => {
    const count = raw.replies.length;
    raw.publish("login", text, properties);
    return waitUntil("a reply", () => raw.replies[count]);
  };
  const first = await ask(body);
  const found = first.properties as unknown as Record<string, unknown>;
  assert.deepEqual(
    {
      correlation_id: found["correlationId"],
      content_type: found["contentType"],
      type: found["type"],
      app_id: found["appId"],
      delivery_mode: String(found["deliveryMode"]),
    },
    reply.properties,
  );
  assert.ok(Number(found["timestamp"]) > 0, "a timestamp");
  const [success = "", error = ""] = reply.bodies;
  const shape = JSON.parse(success) as { resp_code: number; resp_data: object };
  assert.equal(bodyOf(first).resp_code, shape.resp_code);
  assert.deepEqual(Object.keys(bodyOf(first).resp_data), Object.keys(shape.resp_data));
  assert.deepEqual(bodyOf(await ask(body)), bodyOf(first), "a retry gets the recorded reply");
  assert.deepEqual(bodyOf(await ask(JSON.stringify({ username }))), JSON.parse(error));
});
