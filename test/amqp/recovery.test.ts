import assert from "node:assert/strict";
import { test } from "node:test";
import { closeConnections } from "../support/broker-connections.ts";
import { createDatabase, dropDatabase } from "../support/database.ts";
import { createVhost, deleteVhost } from "../support/rabbitmq.ts";
import { startProxy } from "../support/proxy.ts";
import { bodyOf, connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { provision, startWorker } from "../support/worker.ts";
import { connectRpc } from "../../src/client/rpc-client.ts";
import { parseConfig } from "../../src/config/load.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createWorker } from "../../src/worker.ts";

for (const purpose of ["requests", "replies"]) {
  test(`a worker whose connection for ${purpose} is closed answers again`, async () => {
    await using worker = await startWorker();
    await worker.addUser("alice", "correct horse");
    await using caller = await connectRaw(worker.url);
    await closeConnections(worker.vhost, purpose);
    await waitUntil(
      "the loss in the log",
      () => worker.log.some((line) => line.includes("lost the connection to the broker")) || undefined,
    );
    for (let index = 0; index < 5; index++) {
      caller.publish("user_get", JSON.stringify({ username: "alice" }), { correlationId: `after-${index}` });
      assert.equal(bodyOf(await caller.firstReply(`after-${index}`)).resp_code, 200);
    }
  });
}

test("a deleted queue is declared and consumed again, and the other queues are not interrupted", async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "correct horse");
  await using caller = await connectRaw(worker.url);
  await caller.channel.deleteQueue("user_get");
  assert.equal((await worker.call("login", { username: "alice", password: "correct horse" })).resp_code, 200);
  const reply = await waitUntil("an answer of user_get", () =>
    worker.call("user_get", { username: "alice" }),
  );
  assert.equal(reply.resp_code, 200);
});

test("a queue with other arguments is logged with the difference, and the other queues work", async () => {
  const { raw, vhost, cleanUp } = await provision();
  await using caller = await connectRaw(vhost.url);
  await caller.channel.assertQueue("user_all", { durable: true, messageTtl: 5000 });
  const config = parseConfig(raw, { keys: true, env: {}, folder: process.cwd() });
  await migrate(config.db);
  const log: string[] = [];
  const worker = await createWorker(config, createLogTo({ write: (line) => void log.push(line) }, "info"));
  const starting = worker.start();
  await using client = await connectRpc(config.amqp);
  const reply = await waitUntil("the other queues", () =>
    client.call("user_get", '{"username":"alice"}', 5000),
  );
  assert.equal(reply.resp_code, 404);
  const line = await waitUntil("the report", () =>
    log.find((text) => text.includes("cannot consume the queue")),
  );
  assert.match(line, /"queue":"user_all"/);
  assert.match(line, /x-message-ttl/);
  // After the operator deletes the queue, the worker serves it too.
  await caller.channel.deleteQueue("user_all");
  await starting;
  await worker.stop();
  await cleanUp();
});

test("a database that is unreachable or hangs gives 503 and never 401, and is used again afterwards", async () => {
  const database = await createDatabase();
  await using proxy = await startProxy(database.port);
  const db_settings = { dialect: "mysql", ...database, port: proxy.port, file: undefined, timeout_ms: 500 };
  {
    await using worker = await startWorker({ config: { db_settings } });
    await worker.addUser("alice", "correct horse");
    const id_token = await worker.login("alice", "correct horse");
    const requests = [
      ["login", { username: "alice", password: "correct horse" }],
      ["token", { id_token }],
      ["user_get", { username: "alice" }],
      ["group_all", { access_token: await worker.accessToken("alice") }],
    ] as const;
    for (const fault of ["cut", "hang"] as const) {
      proxy[fault]();
      for (const [queue, request] of requests) {
        const { resp_code, resp_data } = await worker.call(queue, request);
        assert.deepEqual([fault, queue, resp_code, resp_data["error"]], [fault, queue, 503, "UNAVAILABLE"]);
        assert.deepEqual(Object.keys(resp_data), ["msg", "error"]);
      }
      proxy.restore();
      // Until the pool has reconnected, it rejects at once.
      const isServed = async (): Promise<boolean> =>
        (await worker.call("token", { id_token })).resp_code === 200;
      await waitUntil("a token", isServed, { seconds: 2 });
    }
  }
  await dropDatabase(database.database);
});

test("a worker that starts before its database and its broker waits for both", async () => {
  const database = await createDatabase();
  await using databaseProxy = await startProxy(database.port);
  const vhost = await createVhost();
  const { port } = new URL(vhost.url);
  await using brokerProxy = await startProxy(Number(port));
  const { raw, cleanUp } = await provision();
  const config = parseConfig(
    {
      ...raw,
      db_settings: { dialect: "mysql", ...database, port: databaseProxy.port, timeout_ms: 500 },
      amqp_settings: { ...raw["amqp_settings"], vhost: vhost.name, port: brokerProxy.port },
    },
    { keys: true, env: {}, folder: process.cwd() },
  );
  await migrate(config.db);
  databaseProxy.cut();
  brokerProxy.cut();
  const log: string[] = [];
  const worker = await createWorker(config, createLogTo({ write: (line) => void log.push(line) }, "info"));
  const starting = worker.start();
  await waitUntil("the database in the log", () =>
    log.find((text) => text.includes("cannot reach the database")),
  );
  databaseProxy.restore();
  await waitUntil("the broker in the log", () =>
    log.find((text) => text.includes("cannot reach the broker")),
  );
  brokerProxy.restore();
  await starting;
  await using caller = await connectRaw(vhost.url);
  caller.publish("user_get", JSON.stringify({ username: "alice" }), { correlationId: "up" });
  assert.equal(bodyOf(await caller.firstReply("up")).resp_code, 404);
  await worker.stop();
  await cleanUp();
  await deleteVhost(vhost.name);
  await dropDatabase(database.database);
});

test("a lost connection is logged once, and not for every queue", async () => {
  await using worker = await startWorker();
  await closeConnections(worker.vhost, "requests");
  await waitUntil(
    "the recovery in the log",
    () => worker.log.some((line) => line.includes("connected to the broker again")) || undefined,
  );
  const reports = worker.log.filter((line) => line.includes('"level":40') || line.includes('"level":50'));
  assert.equal(reports.length, 1, reports.join(""));
});
