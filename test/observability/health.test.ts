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
import { Scratch, waitUntil } from "../support/servers/scratch.ts";
import { provision, startWorker, type TestWorker } from "../support/worker.ts";
import { ask, readiness } from "./endpoints.ts";

const scratch = new Scratch();
after(() => scratch.close());

const parse = (raw: Parameters<typeof parseConfig>[0]) =>
  parseConfig(raw, { keys: true, env: {}, folder: scratch.folder });
const silent = createLogTo({ write: () => undefined }, "info");

/** How many ports this process listens on. */
const listeners = () => process.getActiveResourcesInfo().filter((name) => name === "TCPServerWrap").length;

describe("the HTTP endpoints of a serving worker", () => {
  let worker: TestWorker;
  let port: number;
  before(async () => {
    port = await scratch.freePort();
    worker = await startWorker({ config: { health_settings: { port } } });
  });
  after(() => worker[Symbol.asyncDispose]());

  test("return 200 on /livez while the process is alive", async () => {
    const { status, headers, body } = await ask(port, "/livez");
    assert.deepEqual([status, JSON.parse(body)], [200, { status: "ok" }]);
    assert.equal(headers["content-type"], "application/json; charset=utf-8");
    assert.equal(headers["cache-control"], "no-store");
  });

  test("list every dependency as ok on /readyz", async () => {
    // A worker is ready without events, whose connection may be opened later.
    const { code, status, reason, dependencies } = await waitUntil("events", async () => {
      const state = await readiness(port);
      return state.dependencies["broker events"]?.detail?.startsWith("not connected yet") ? undefined : state;
    });
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

  test("return Prometheus' text format on /metrics", async () => {
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

  test("ignore the query string", async () => {
    assert.equal((await ask(port, "/readyz?verbose")).status, 200);
    assert.equal((await ask(port, "/livez?")).status, 200);
  });

  test("return 405 with the allowed methods for other methods", async () => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
      for (const path of ["/livez", "/readyz", "/metrics"]) {
        const { status, headers } = await ask(port, path, method);
        assert.deepEqual([method, path, status, headers.allow], [method, path, 405, "GET, HEAD"]);
      }
  });

  test("return 404 for other paths", async () => {
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

  test("close the connection after each response", async () => {
    assert.equal((await ask(port, "/livez")).headers.connection, "close");
  });

  test("disconnect a client that sends no request", async () => {
    const socket = connect(port, "127.0.0.1");
    socket.resume();
    const since = performance.now();
    await once(socket, "close");
    const ms = performance.now() - since;
    assert.ok(ms < 30_000, `${ms} ms`);
  });

  test("contain no secret", async () => {
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
        assert.ok(!body.includes(secret), `${path} contains a secret`);
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

test("stop closes the port and all its connections, and may be called twice", async () => {
  const port = await scratch.freePort();
  await using worker = await startWorker({ config: { health_settings: { port } } });
  const idle = connect(port, "127.0.0.1");
  idle.on("error", () => undefined);
  await once(idle, "connect");
  const closed = once(idle, "close");
  await worker.worker.stop();
  await worker.worker.stop();
  await assert.rejects(ask(port, "/livez"), { code: "ECONNREFUSED" });
  await closed;
});

test("a port in use ends the start with an error that says what to do", async () => {
  const port = await scratch.freePort();
  await using worker = await startWorker({ config: { health_settings: { port } } });
  const advice = `port ${port} on 127.0.0.1 is in use by another process: set health_settings.port to a free port`;
  await assert.rejects(worker.startReplica(), { message: advice });
  const { code, stderr } = await runCli(["serve"], { cwd: folderWith(worker.raw) });
  assert.equal(code, 1);
  assert.ok(stderr.includes(advice), stderr);
  assert.equal((await readiness(port)).code, 200, "the first worker continues");
});

test("an address of another host ends the start with an error that says what to do", async () => {
  const { raw, cleanUp } = await provision();
  const worker = await createWorker(
    parse({ ...raw, health_settings: { host: "192.0.2.1", port: await scratch.freePort() } }),
    silent,
  );
  await assert.rejects(worker.start(), /^Error: cannot listen on 192\.0\.2\.1 .*health_settings\.host/);
  await worker.stop();
  await cleanUp();
});
