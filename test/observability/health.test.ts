import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createWorker } from "../../src/worker.ts";
import { folderWith, runCli } from "../support/cli.ts";
import { createDatabase, dropDatabase } from "../support/env.ts";
import { lastLine, linesOf } from "../support/log-lines.ts";
import { startProxy } from "../support/proxy.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { Scratch, waitUntil } from "../support/servers/scratch.ts";
import { provision, startWorker, type TestWorker } from "../support/worker.ts";
import { ask, readiness, scrape } from "./endpoints.ts";

const scratch = new Scratch();
after(() => scratch.close());

const parse = (raw: Parameters<typeof parseConfig>[0]) =>
  parseConfig(raw, { keys: true, env: {}, folder: scratch.folder });
const silent = createLogTo({ write: () => undefined }, "info");

/** How many ports this process listens on. */
const listeners = () => process.getActiveResourcesInfo().filter((name) => name === "TCPServerWrap").length;

/** The readiness once it is so. */
const readyState = (port: number, status: string) =>
  waitUntil(`the status ${status}`, async () => {
    const state = await readiness(port);
    return state.status === status ? state : undefined;
  });

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
    assert.deepEqual(names.slice(0, 4), ["database", "broker requests", "broker replies", "queue login"]);
    assert.equal(names.length, 3 + 15);
    for (const [name, dependency] of Object.entries(dependencies))
      assert.deepEqual(dependency, { state: "ok", required: true }, name);
  });

  test("show on /metrics what Prometheus reads", async () => {
    const { status, headers, body } = await ask(port, "/metrics");
    assert.equal(status, 200);
    assert.equal(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert.match(body, /^authmq_queue_consumed\{queue="login"\} 1$/m);
  });

  test("answer HEAD like GET, without the body", async () => {
    for (const path of ["/livez", "/readyz", "/metrics"]) {
      const get = await ask(port, path);
      const head = await ask(port, path, "HEAD");
      assert.deepEqual([head.status, head.body], [get.status, ""]);
      assert.equal(head.headers["content-type"], get.headers["content-type"]);
      assert.ok(Number(head.headers["content-length"]) > 0);
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
    assert.ok(performance.now() - since < 30_000);
  });

  test("tell no secret", async () => {
    const secrets = [worker.raw["amqp_settings"]!, worker.raw["jwt_creation"]!["secret"] as object].flatMap(
      (section) =>
        Object.entries(section).flatMap(([key, value]) =>
          key === "password" || key === "value" ? [String(value)] : [],
        ),
    );
    assert.ok(secrets.length >= 2);
    for (const path of ["/livez", "/readyz", "/metrics"]) {
      const { body } = await ask(port, path);
      for (const secret of secrets.filter(({ length }) => length > 5)) assert.ok(!body.includes(secret));
    }
  });
});

test("without health_settings.port a worker listens on no port", async () => {
  const before = listeners();
  await using worker = await startWorker();
  assert.equal(listeners(), before);
  assert.deepEqual(linesOf(worker, "health and metrics can be asked for"), []);
  const port = await scratch.freePort();
  await using listening = await startWorker({ config: { health_settings: { port } } });
  assert.equal(listeners(), before + 1);
  const { host, port: logged } = await lastLine(listening, "health and metrics can be asked for");
  assert.deepEqual([host, logged], ["127.0.0.1", port]);
});

test("/readyz tells from the start to the end what a worker waits for", async () => {
  const database = await createDatabase();
  await using toDatabase = await startProxy(database.port);
  const { raw, vhost, cleanUp } = await provision();
  await using toBroker = await startProxy(Number(new URL(vhost.url).port));
  const port = await scratch.freePort();
  const config = parse({
    ...raw,
    db_settings: { dialect: "mysql", ...database, port: toDatabase.port, timeout_ms: 500 },
    amqp_settings: { ...raw["amqp_settings"], port: toBroker.port },
    health_settings: { port },
  });
  await migrate(config.db);
  toDatabase.cut();
  toBroker.cut();
  const worker = await createWorker(config, silent);
  const starting = worker.start();

  const first = await readyState(port, "starting");
  assert.equal(first.code, 503);
  assert.equal(
    first.reason,
    "the worker starts, waits for database, waits for broker requests, waits for broker replies",
  );
  assert.match(
    first.dependencies["database"]?.detail ?? "",
    /: requests are answered 503; check the database/,
  );
  assert.equal(first.dependencies["queue login"]?.state, "away");
  assert.equal((await ask(port, "/livez")).status, 200);
  assert.equal((await scrape(port)).value('authmq_broker_connected{purpose="requests"}'), 0);

  toDatabase.restore();
  const second = await waitUntil("the database", async () => {
    const state = await readiness(port);
    return state.dependencies["database"]?.state === "ok" ? state : undefined;
  });
  assert.deepEqual([second.code, second.status], [503, "starting"]);
  assert.equal(second.reason, "the worker starts, waits for broker requests, waits for broker replies");
  const brokerFault = await waitUntil("the broker's fault", async () => {
    const { detail = "" } = (await readiness(port)).dependencies["broker replies"] ?? {};
    return detail.includes(`127.0.0.1:${toBroker.port}`) ? detail : undefined;
  });
  assert.match(brokerFault, /: no reply goes out; check the broker and amqp_settings$/);

  toBroker.restore();
  await starting;
  assert.equal((await readyState(port, "ready")).code, 200);
  assert.equal((await scrape(port)).value('authmq_broker_connected{purpose="requests"}'), 1);

  toDatabase.cut();
  const without = await readyState(port, "not ready");
  assert.deepEqual([without.code, without.reason], [503, "away: database"]);
  assert.equal(without.dependencies["broker requests"]?.state, "ok");
  toDatabase.restore();
  await readyState(port, "ready");

  toBroker.cut();
  const alone = await waitUntil("the loss of both connections", async () => {
    const { reason } = await readiness(port);
    return reason === "away: broker requests, broker replies" ? reason : undefined;
  });
  assert.ok(alone);
  const gauges = await scrape(port);
  assert.equal(gauges.value('authmq_broker_connected{purpose="replies"}'), 0);
  assert.equal(gauges.value('authmq_queue_consumed{queue="login"}'), 0);
  toBroker.restore();
  await readyState(port, "ready");
  const connects = await scrape(port);
  for (const purpose of ["requests", "replies"])
    assert.equal(connects.value(`authmq_broker_connects_total{purpose="${purpose}"}`), 2);

  await worker.stop();
  await assert.rejects(ask(port, "/livez"), { code: "ECONNREFUSED" });
  await cleanUp();
  await dropDatabase(database.database);
});

test("a database that hangs is told within a second, however many ask", async () => {
  const database = await createDatabase();
  await using proxy = await startProxy(database.port);
  const db_settings = {
    dialect: "mysql",
    ...database,
    port: proxy.port,
    file: undefined,
    timeout_ms: 60_000,
  };
  const port = await scratch.freePort();
  {
    await using worker = await startWorker({ config: { db_settings, health_settings: { port } } });
    assert.equal((await worker.call("user_get", { username: "nobody" })).resp_code, 404);
    proxy.hang();
    const states = await waitUntil("the fault", async () => {
      const all = await Promise.all(Array.from({ length: 50 }, () => readiness(port)));
      return all.every(({ status }) => status === "not ready") ? all : undefined;
    });
    for (const { code, reason, dependencies } of states) {
      assert.deepEqual([code, reason], [503, "away: database"]);
      assert.match(dependencies["database"]?.detail ?? "", /^it does not answer within 1000 ms: /);
    }
    // One question is under way, although hundreds asked.
    const { value } = await scrape(port);
    const busy =
      value('authmq_database_connections{state="open"}') - value('authmq_database_connections{state="idle"}');
    assert.ok(busy <= 1, `${busy} connections in use`);
    assert.equal(value('authmq_database_connections{state="waiting"}'), 0);
    proxy.restore();
    await readyState(port, "ready");
  }
  await dropDatabase(database.database);
});

test("a directory that is away leaves a worker ready, and is told", async () => {
  const port = await scratch.freePort();
  const nobody = await scratch.freePort();
  const ldap_settings = { address: `ldap://127.0.0.1:${nobody}`, base_dn: "dc=example,dc=com" };
  await using worker = await startWorker({ config: { ldap_settings, health_settings: { port } } });
  assert.deepEqual((await readiness(port)).dependencies["directory"], { state: "ok", required: false });
  assert.equal((await worker.call("login", { username: "nobody", password: "nope" })).resp_code, 503);
  const { code, dependencies } = await readiness(port);
  assert.equal(code, 200);
  const { state, required, detail } = dependencies["directory"]!;
  assert.deepEqual([state, required], ["away", false]);
  assert.match(
    detail ?? "",
    new RegExp(`^ldap://127.0.0.1:${nobody}: .*: its users cannot log in; authmq doctor`),
  );
  const { value } = await scrape(port);
  assert.equal(value("authmq_directory_duration_seconds_count"), 1);
  assert.equal(value('authmq_lane_wait_seconds_count{lane="directory"}'), 1);
});

test("/readyz says that a worker stops, as long as it answers its last requests", async () => {
  const port = await scratch.freePort();
  await using worker = await startWorker({ config: { health_settings: { port } } });
  await worker.addUser("alice", "correct horse", { cost: 13 });
  await using caller = await connectRaw(worker.url);
  const body = JSON.stringify({ username: "alice", password: "wrong" });
  for (let index = 0; index < 4; index++) caller.publish("login", body);
  const gauge = 'authmq_requests_in_flight{queue="login"}';
  await waitUntil("the logins", async () => (await scrape(port)).value(gauge) === 4 || undefined);
  const stopped = worker.worker.stop();
  const state = await readiness(port);
  assert.deepEqual(state, { code: 503, status: "stopping", reason: "the worker stops", dependencies: {} });
  assert.equal((await ask(port, "/livez")).status, 200);
  await stopped;
  await assert.rejects(ask(port, "/livez"), { code: "ECONNREFUSED" });
});

test("a worker that has stopped has closed every connection to its port, and may be stopped again", async () => {
  const before = listeners();
  const port = await scratch.freePort();
  await using worker = await startWorker({ config: { health_settings: { port } } });
  const idle = connect(port, "127.0.0.1");
  idle.on("error", () => undefined);
  await once(idle, "connect");
  const gone = once(idle, "close");
  await worker.worker.stop();
  await worker.worker.stop();
  assert.equal(listeners(), before);
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
