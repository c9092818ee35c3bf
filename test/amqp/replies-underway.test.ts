import assert from "node:assert/strict";
import { test } from "node:test";
import { amqpUrl } from "../support/rabbitmq.ts";
import { startProxy } from "../support/proxy.ts";
import { bodyOf, connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";

test("a reply that is under way when the connection breaks arrives over the next one", async () => {
  await using proxy = await startProxy(Number(new URL(amqpUrl).port));
  await using worker = await startWorker({ config: { amqp_settings: { port: proxy.port } } });
  await worker.addUser("alice", "correct horse");
  // A caller of its own way to the broker, which does not break.
  await using caller = await connectRaw(worker.url);
  const ask = (correlationId: string): void =>
    caller.publish("user_get", JSON.stringify({ username: "alice" }), { correlationId });
  ask("before");
  await caller.firstReply("before");
  const lost = async () => (await worker.worker.metrics.snapshot())["replies_lost_total"] ?? 0;
  // Late enough for the cut to come between the reply and its confirm.
  proxy.delay(150);
  ask("underway");
  await waitUntil("the reply to be under way", async () => {
    const { requests_total: answered } = await worker.worker.metrics.snapshot();
    return JSON.stringify(answered).includes('"200":2');
  });
  proxy.restore();
  assert.equal(bodyOf(await caller.firstReply("underway")).resp_code, 200);
  assert.equal(await lost(), 0);
});
