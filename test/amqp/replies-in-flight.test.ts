import assert from "node:assert/strict";
import { test } from "node:test";
import { amqpUrl } from "../support/rabbitmq.ts";
import { startProxy } from "../support/proxy.ts";
import { bodyOf, connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";

test("a reply in flight when the connection breaks is sent again after the reconnect", async () => {
  await using proxy = await startProxy(Number(new URL(amqpUrl).port));
  await using worker = await startWorker({ config: { amqp_settings: { port: proxy.port } } });
  await worker.addUser("alice", "correct horse");
  // The caller's own connection does not use the proxy, so it does not break.
  await using caller = await connectRaw(worker.url);
  const request = (correlationId: string): void =>
    caller.publish("user_get", JSON.stringify({ username: "alice" }), { correlationId });
  request("before");
  await caller.firstReply("before");
  const lost = async () => (await worker.worker.metrics.snapshot())["replies_lost_total"] ?? 0;
  // The delay ensures that the connection breaks between the reply and its confirm.
  proxy.delay(150);
  request("in-flight");
  await waitUntil("the reply to be in flight", async () => {
    const { requests_total: answered } = await worker.worker.metrics.snapshot();
    return JSON.stringify(answered).includes('"200":2');
  });
  proxy.restore();
  assert.equal(bodyOf(await caller.firstReply("in-flight")).resp_code, 200);
  assert.equal(await lost(), 0);
});
