import assert from "node:assert/strict";
import { after, test } from "node:test";
import { connectRpc } from "../../src/client/rpc-client.ts";
import { parseConfig } from "../../src/config/load.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createWorker } from "../../src/worker.ts";
import { folderWith, runCli } from "../support/cli.ts";
import { amqpUrl } from "../support/rabbitmq.ts";
import { linesOf } from "../support/log-lines.ts";
import { startProxy } from "../support/proxy.ts";
import { Scratch, waitUntil } from "../support/servers/scratch.ts";
import { provision, startWorker } from "../support/worker.ts";

const scratch = new Scratch();
after(() => scratch.close());

/** The broker of this run, and a closed port. */
const { hostname, port } = new URL(amqpUrl);
const broker = `${hostname}:${port}`;
const closed = `127.0.0.1:${await scratch.freePort()}`;

test("a worker whose first node is down serves on the second, and so do call and bench", async () => {
  await using worker = await startWorker({ config: { amqp_settings: { host: [closed, broker] } } });
  await worker.addUser("alice", "correct horse");
  assert.equal((await worker.call("user_get", { username: "alice" })).resp_code, 200);
  const away = linesOf(worker, "cannot reach the broker, trying again");
  assert.deepEqual([...new Set(away.map(({ node }) => node))], [closed]);
  const cwd = folderWith(worker.raw);
  const called = await runCli(["call", "user_get", '{"username":"alice"}'], { cwd });
  assert.deepEqual([called.code, called.stderr], [0, ""]);
  const bench = await runCli(["bench", "user_get", '{"username":"alice"}', "-n", "10"], { cwd });
  assert.equal(bench.code, 0, bench.stderr);
});

test("a worker that loses its node connects to the next one, and back", async () => {
  await using first = await startProxy(Number(port));
  await using second = await startProxy(Number(port));
  second.cut();
  await using worker = await startWorker({
    config: { amqp_settings: { host: [`127.0.0.1:${first.port}`, `127.0.0.1:${second.port}`] } },
  });
  await using client = await connectRpc({
    ...worker.config.amqp,
    nodes: [{ host: hostname, port: Number(port) }],
  });
  const answer = (): Promise<unknown> =>
    waitUntil("an answer", () => client.call("user_get", '{"username":"alice"}', 2000), { seconds: 30 });
  for (const [lost, found] of [
    [first, second],
    [second, first],
  ] as const) {
    found.restore();
    lost.cut();
    await waitUntil("both connections on the other node", () => found.connections >= 2 || undefined);
    await answer();
  }
  const nodes = linesOf(worker, "connected to the broker again").map(({ node }) => node);
  for (const { port } of [first, second])
    assert.ok(nodes.includes(`127.0.0.1:${port}`), `${port}: ${nodes.join(", ")}`);
});

test("a node that refuses the password ends the start, and an unreachable node does not", async () => {
  const { raw, cleanUp } = await provision({
    config: { amqp_settings: { host: [closed, broker], password: "a wrong password" } },
  });
  const config = parseConfig(raw, { keys: true, env: {}, folder: process.cwd() });
  await migrate(config.db);
  const worker = await createWorker(config, createLogTo({ write: () => undefined }, "info"));
  await assert.rejects(worker.start(), (error: Error) =>
    error.message.startsWith(`the broker at ${broker} refuses`),
  );
  await worker.stop();
  await cleanUp();
});

test("a client skips a hung node, and its error names all nodes when none accepts", async () => {
  const { raw, cleanUp } = await provision();
  await using proxy = await startProxy(Number(port));
  proxy.hang();
  const hung = `127.0.0.1:${proxy.port}`;
  const withHost = (host: string[]) =>
    parseConfig({ amqp_settings: { ...raw["amqp_settings"], host } }, { keys: false, env: {}, folder: "." })
      .amqp;
  await using client = await connectRpc(withHost([hung, broker]));
  await assert.rejects(client.call("user_get", "{}", 5000), /there is no queue user_get/);
  const cwd = folderWith({ amqp_settings: { ...raw["amqp_settings"], host: [closed, "[::1]:1"] } });
  const { code, stderr } = await runCli(["call", "user_get"], { cwd });
  assert.equal(code, 2);
  assert.match(
    stderr,
    new RegExp(`cannot connect to the broker at ${closed}, \\[::1\\]:1 \\(.*${closed}; .*\\)\n$`),
  );
  await cleanUp();
});
