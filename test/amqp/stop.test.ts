import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";
import { parseConfig } from "../../src/config/load.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createWorker } from "../../src/worker.ts";

test("a stopping worker answers its current requests, and a replica answers the rest", async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "correct horse", { cost: 11 });
  await worker.startReplica();
  await using caller = await connectRaw(worker.url);
  const body = JSON.stringify({ username: "alice", password: "correct horse" });
  for (let index = 0; index < 20; index++) caller.publish("login", body, { correlationId: `login-${index}` });
  await waitUntil("a first reply", () => caller.replies.length > 0 || undefined);
  await worker.worker.stop();
  await waitUntil("all replies", () => caller.replies.length >= 20 || undefined, { seconds: 30 });
  const ids = caller.replies.map(({ properties }) => String(properties.correlationId));
  assert.deepEqual([ids.length, new Set(ids).size], [20, 20], "each request has one reply");
  assert.deepEqual(new Set(caller.replies.map((reply) => bodyOf(reply).resp_code)), new Set([200]));
});

test("stop may be called twice, and before start", async () => {
  await using worker = await startWorker();
  await Promise.all([worker.worker.stop(), worker.worker.stop()]);
  const config = parseConfig(worker.raw, { keys: true, env: {}, folder: process.cwd() });
  const second = await createWorker(config, createLogTo({ write: () => undefined }, "info"));
  await second.stop();
  await second.stop();
});

test("stop ends a start that waits for the broker", async () => {
  await using worker = await startWorker();
  const raw = { ...worker.raw, amqp_settings: { ...worker.raw["amqp_settings"], port: 1 } };
  const config = parseConfig(raw, { keys: true, env: {}, folder: process.cwd() });
  const waiting = await createWorker(config, createLogTo({ write: () => undefined }, "info"));
  const starting = assert.rejects(waiting.start(), /stopped/);
  await waiting.stop();
  await starting;
});

test("wrong credentials or a missing vhost end the start with an error that says what to check", async () => {
  await using worker = await startWorker();
  for (const wrong of [{ password: "wrong" }, { vhost: "no-such-vhost" }]) {
    const raw = { ...worker.raw, amqp_settings: { ...worker.raw["amqp_settings"], ...wrong } };
    const config = parseConfig(raw, { keys: true, env: {}, folder: process.cwd() });
    const refused = await createWorker(config, createLogTo({ write: () => undefined }, "info"));
    await assert.rejects(refused.start(), /refuses the user .* check amqp_settings/);
    await refused.stop();
  }
});
