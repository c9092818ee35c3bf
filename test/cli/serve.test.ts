import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { folderWith, runCli, startCli } from "../support/cli.ts";
import { bodyOf, connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startServing } from "../support/serving.ts";
import { provision } from "../support/worker.ts";

/** Collects a stream; the result returns the text so far. */
function collect(stream: Readable): () => string {
  let text = "";
  stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return () => text;
}

test("serve replies to calls and exits with 0 on SIGTERM, also when npm forwards the signal", async () => {
  const { raw, cleanUp } = await provision();
  const cwd = folderWith(raw);
  const early = await runCli(["serve"], { cwd });
  assert.equal(early.code, 1);
  assert.match(early.stderr, /authmq: the database lacks .*serve --migrate/);
  const admin = ["admin", "create", "root", "--email", "root@example.com"];
  assert.equal((await runCli(["migrate"], { cwd })).code, 0);
  assert.equal((await runCli(admin, { cwd, stdin: "correct horse\n" })).code, 0);

  const direct = startCli(["serve", "--migrate"], { cwd });
  const checkout = resolve(import.meta.dirname, "../..");
  const byNpm = spawn("npm", ["run", "-s", "authmq", "--", "serve", "--config", join(cwd, "config.json")], {
    cwd: checkout,
  });
  for (const worker of [direct, byNpm]) {
    const log = collect(worker.stderr);
    await waitUntil("ready", () => log().includes('"msg":"ready"') || undefined, { died: () => undefined });
  }

  const body = JSON.stringify({ username: "root", password: "correct horse" });
  const good = await runCli(["call", "login", "-"], { cwd, stdin: body });
  assert.equal(good.code, 0, good.stderr);
  assert.equal((JSON.parse(good.stdout) as { resp_code: number }).resp_code, 200);
  const refused = await runCli(["call", "login", JSON.stringify({ username: "root", password: "x" })], {
    cwd,
  });
  assert.equal(refused.code, 1);
  assert.equal((JSON.parse(refused.stdout) as { resp_code: number }).resp_code, 401);
  const none = await runCli(["call", "no.such.queue", "{}"], { cwd });
  assert.deepEqual([none.code, none.stdout], [2, ""]);
  assert.match(none.stderr, /^authmq: there is no queue no\.such\.queue/);

  const login = () => runCli(["call", "login", "-", "--key", "one request"], { cwd, stdin: body });
  assert.deepEqual(await login(), await login(), "the same key gives the same ID token");

  const bench = await runCli(["bench", "user_get", '{"username":"root"}', "-n", "50", "-c", "5", "--json"], {
    cwd,
  });
  const result = JSON.parse(bench.stdout) as Record<string, unknown>;
  assert.deepEqual([bench.code, result["requests"], result["replies"]], [0, 50, { "200": 50 }]);
  assert.deepEqual(Object.keys(result["latency_ms"] as object), ["p50", "p95", "p99", "max"]);

  for (const worker of [direct, byNpm]) worker.kill("SIGTERM");
  const codes = await Promise.all(
    [direct, byNpm].map(async (worker) => (await once(worker, "exit")) as unknown[]),
  );
  assert.deepEqual(
    codes.map(([code]) => code),
    [0, 0],
  );
  await cleanUp();
});

test("a second signal ends serve immediately with 130, and the next worker processes its request", async () => {
  const { raw, vhost, cleanUp } = await provision({ config: { app_config: { bcrypt_cost: 14 } } });
  const cwd = folderWith(raw);
  const start = async (): Promise<{ child: ReturnType<typeof startCli>; log: () => string }> => {
    const child = startCli(["serve", "--migrate"], { cwd });
    const log = collect(child.stderr);
    await waitUntil("ready", () => log().includes('"msg":"ready"') || undefined);
    return { child, log };
  };
  const { child, log } = await start();
  await using caller = await connectRaw(vhost.url);
  const body = JSON.stringify({ username: "nobody", password: "wrong" });
  caller.publish("login", body, { correlationId: "slow" });
  const exited = once(child, "exit");
  await waitUntil("the delivery", async () => (await caller.channel.checkQueue("login")).messageCount === 0);
  child.kill("SIGTERM");
  await waitUntil("the first signal", () => log().includes('"msg":"stopping"') || undefined);
  child.kill("SIGTERM");
  assert.deepEqual(await exited, [130, null]);
  assert.equal(caller.replies.length, 0);
  const next = await start();
  const replies = await caller.settledReplies("slow");
  assert.deepEqual(
    replies.map((reply) => bodyOf(reply).resp_code),
    [401],
  );
  next.child.kill("SIGTERM");
  assert.deepEqual(await once(next.child, "exit"), [0, null]);
  await cleanUp();
});

test("an unreachable broker and a refused login are errors of one line", async () => {
  const { raw, cleanUp } = await provision();
  const away = folderWith({ ...raw, amqp_settings: { port: 1 } });
  const call = await runCli(["call", "login", "{}"], { cwd: away });
  assert.equal(call.code, 2);
  assert.match(call.stderr, /^authmq: cannot connect to the broker at 127\.0\.0\.1:1 \(.*\)\n$/);
  const wrong = folderWith({
    ...raw,
    amqp_settings: { ...raw["amqp_settings"], password: "not-the-password" },
  });
  const serve = await runCli(["serve", "--migrate"], { cwd: wrong });
  assert.equal(serve.code, 1);
  const line = serve.stderr.split("\n").find((text) => text.startsWith("authmq: ")) ?? "";
  assert.match(line, /refuses the user .* check amqp_settings/);
  assert.equal(serve.stderr.includes("not-the-password"), false);
  await cleanUp();
});

test("serve finishes its requests before it exits", async () => {
  await using serving = await startServing({ config: { app_config: { bcrypt_cost: 12 } } });
  await serving.ready();
  await using caller = await connectRaw(serving.url);
  const body = JSON.stringify({ username: "nobody", password: "wrong" });
  for (let index = 0; index < 2; index++) caller.publish("login", body);
  await waitUntil("the delivery", async () => (await caller.channel.checkQueue("login")).messageCount === 0);
  serving.child.kill("SIGTERM");
  assert.deepEqual(await serving.ended, [0, null]);
  await waitUntil("the replies", () => caller.replies.length === 2, { seconds: 2 });
});

test("serve exits with 0 on a signal during its start", async () => {
  await using serving = await startServing({ config: { amqp_settings: { port: 1 } } });
  await waitUntil("an attempt", () => serving.stderr().includes("cannot reach the broker, trying again"));
  serving.child.kill("SIGINT");
  assert.deepEqual(await serving.ended, [0, null]);
  assert.doesNotMatch(serving.stderr(), /"msg":"ready"|^ready$/m);
});

test("serve prints only the word ready on stderr if the log goes to a file", async () => {
  const log_settings = { handler: "file", handler_settings: { path: "authmq.log" } };
  await using serving = await startServing({ config: { log_settings } });
  await serving.ready();
  serving.child.kill("SIGTERM");
  assert.deepEqual(await serving.ended, [0, null]);
  assert.equal(serving.stderr(), "ready\n");
});

test("serve exits with 1 if its port is taken, and with 78 if the configuration is invalid", async () => {
  await using serving = await startServing();
  await serving.ready();
  const second = await runCli(["serve"], { cwd: serving.cwd });
  assert.equal(second.code, 1);
  assert.match(second.stderr, /is in use by another process/);
  const faulty = await runCli(["serve"], { cwd: folderWith({ nonsense: {} }) });
  assert.equal(faulty.code, 78);
  assert.match(faulty.stderr, /^authmq: nonsense: /m);
});

test("serve --processes exits with 2, and says how to start replicas instead", async () => {
  for (const given of [["--processes", "2"], ["--processes=2"], ["--processes"]]) {
    const { code, stdout, stderr } = await runCli(["serve", ...given]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /^authmq: --processes was removed: .*systemd.*--scale worker=N.*Kubernetes.*\n$/);
  }
  const { stdout } = await runCli(["serve", "--help"]);
  assert.doesNotMatch(stdout, /--processes/);
});
