import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { queueNames } from "../../src/config/queues.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createWorker } from "../../src/worker.ts";
import { folderWith, runCli } from "../support/cli.ts";
import { lastLine, linesOf } from "../support/log-lines.ts";
import { Scratch } from "../support/servers/scratch.ts";
import { provision, startWorker, type TestWorker } from "../support/worker.ts";
import { ask, readiness } from "./endpoints.ts";

const scratch = new Scratch();
after(() => scratch.close());

const parse = (raw: Parameters<typeof parseConfig>[0]) =>
  parseConfig(raw, { keys: true, env: {}, folder: scratch.folder });
const silent = createLogTo({ write: () => undefined }, "info");

/** How many ports this process listens on. */
const listeners = () => process.getActiveResourcesInfo().filter((name) => name === "TCPServerWrap").length;

describe("the HTTP endpoints of a worker that serves", () => {
  let worker: TestWorker;
  let port: number;
  before(async () => {
    port = await scratch.freePort();
    worker = await startWorker({ config: { health_settings: { port } } });
  });
  after(() => worker[Symbol.asyncDispose]());

  test("say on /livez that the process is alive", async () => {
    const { status, headers, body } = await ask(port, "/livez");
    assert.deepEqual([status, JSON.parse(body)], [200, { status: "ok" }]);
    assert.equal(headers["content-type"], "application/json; charset=utf-8");
    assert.equal(headers["cache-control"], "no-store");
  });

  test("say on /readyz that every dependency is there", async () => {
    const { code, status, reason, dependencies } = await readiness(port);
    assert.deepEqual([code, status, reason], [200, "ready", undefined]);
    const names = Object.keys(dependencies);
    const first = ["database", "writes", "broker requests", "broker replies", "queue login"];
    assert.deepEqual(names.slice(0, first.length), first);
    assert.equal(names.length, first.length + queueNames().length);
    for (const [name, dependency] of Object.entries(dependencies))
      assert.deepEqual(
        dependency,
        { state: "ok", required: !["broker events", "writes"].includes(name) },
        name,
      );
  });

  test("show on /metrics what Prometheus reads", async () => {
    const { status, headers, body } = await ask(port, "/metrics");
    assert.equal(status, 200);
    assert.equal(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert.match(body, /^authmq_queue_consumed\{queue="login"\} 1$/m);
  });

  test("answer HEAD like GET, without the body", async () => {
    for (const path of ["/livez", "/readyz", "/metrics", "/.well-known/jwks.json"]) {
      const get = await ask(port, path);
      const head = await ask(port, path, "HEAD");
      assert.deepEqual([head.status, head.body], [get.status, ""]);
      assert.equal(head.headers["content-type"], get.headers["content-type"]);
      const length = head.headers["content-length"];
      assert.ok(Number(length) > 0, `${path}: ${String(length)}`);
    }
  });

  test("take no notice of a query", async () => {
    assert.equal((await ask(port, "/readyz?verbose")).status, 200);
    assert.equal((await ask(port, "/livez?")).status, 200);
  });

  test("refuse other methods with those that are allowed", async () => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
      for (const path of ["/livez", "/readyz", "/metrics"]) {
        const { status, headers } = await ask(port, path, method);
        assert.deepEqual([method, path, status, headers.allow], [method, path, 405, "GET, HEAD"]);
      }
  });

  test("know no other path", async () => {
    for (const path of [
      "/",
      "/healthz",
      "/livez/",
      "//livez",
      "/LIVEZ",
      "/metrics/../livez",
      "/__proto__",
      "*",
    ])
      assert.deepEqual([path, (await ask(port, path)).status], [path, 404]);
    assert.equal((await ask(port, "/nothing", "POST")).status, 404);
  });

  test("keep no connection", async () => {
    assert.equal((await ask(port, "/livez")).headers.connection, "close");
  });

  test("drop whoever connects and asks nothing", async () => {
    const socket = connect(port, "127.0.0.1");
    socket.resume();
    const since = performance.now();
    await once(socket, "close");
    const ms = performance.now() - since;
    assert.ok(ms < 30_000, `${ms} ms`);
  });

  test("tell no secret", async () => {
    const secrets = [worker.raw["amqp_settings"]!, worker.raw["jwt_creation"]!["secret"] as object].flatMap(
      (section) =>
        Object.entries(section).flatMap(([key, value]) =>
          key === "password" || key === "value" ? [String(value)] : [],
        ),
    );
    assert.ok(secrets.length >= 2, `${secrets.length} secrets`);
    for (const path of ["/livez", "/readyz", "/metrics"]) {
      const { body } = await ask(port, path);
      for (const secret of secrets.filter(({ length }) => length > 5))
        assert.ok(!body.includes(secret), `a secret is at ${path}`);
    }
  });
});

test("without health_settings.port a worker listens on no port", async () => {
  const before = listeners();
  await using worker = await startWorker();
  assert.equal(listeners(), before);
  assert.deepEqual(linesOf(worker, "serving health and metrics"), []);
  const port = await scratch.freePort();
  await using listening = await startWorker({ config: { health_settings: { port } } });
  assert.equal(listeners(), before + 1);
  const { host, port: logged } = await lastLine(listening, "serving health and metrics");
  assert.deepEqual([host, logged], ["127.0.0.1", port]);
});

test("a worker that has stopped has closed every connection to its port, and may be stopped again", async () => {
  const port = await scratch.freePort();
  await using worker = await startWorker({ config: { health_settings: { port } } });
  const idle = connect(port, "127.0.0.1");
  idle.on("error", () => undefined);
  await once(idle, "connect");
  const gone = once(idle, "close");
  await worker.worker.stop();
  await worker.worker.stop();
  await assert.rejects(ask(port, "/livez"), { code: "ECONNREFUSED" });
  await gone;
});

test("a port that is taken ends the start and says what to do", async () => {
  const port = await scratch.freePort();
  await using worker = await startWorker({ config: { health_settings: { port } } });
  const advice = `port ${port} on 127.0.0.1 is taken by another process: give health_settings.port a free one`;
  await assert.rejects(worker.startReplica(), { message: advice });
  const { code, stderr } = await runCli(["serve"], { cwd: folderWith(worker.raw) });
  assert.equal(code, 1);
  assert.ok(stderr.includes(advice), stderr);
  assert.equal((await readiness(port)).code, 200, "the first one goes on");
});

test("an address that is not this host's ends the start and says what to do", async () => {
  const { raw, cleanUp } = await provision();
  const worker = await createWorker(
    parse({ ...raw, health_settings: { host: "192.0.2.1", port: await scratch.freePort() } }),
    silent,
  );
  await assert.rejects(worker.start(), /^Error: cannot listen on 192\.0\.2\.1 .*health_settings\.host/);
  await worker.stop();
  await cleanUp();
});
