import assert from "node:assert/strict";
import { after, test } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createWorker } from "../../src/worker.ts";
import { createDatabase, dropDatabase } from "../support/database.ts";
import { startFalseDirectory } from "../support/false-directory.ts";
import { missingForTickets } from "../support/kerberos-ticket.ts";
import { startProxy } from "../support/proxy.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { missingForKdc, startKdc } from "../support/servers/kdc.ts";
import { Scratch, waitUntil } from "../support/servers/scratch.ts";
import { provision, startWorker } from "../support/worker.ts";
import { ask, readiness, scrape } from "./endpoints.ts";

const scratch = new Scratch();
after(() => scratch.close());

/** Waits until /readyz has this status. */
const readyState = (port: number, status: string) =>
  waitUntil(`the status ${status}`, async () => {
    const state = await readiness(port);
    return state.status === status ? state : undefined;
  });

test("/readyz reports missing dependencies from the start to the end of a worker", async () => {
  const database = await createDatabase();
  await using toDatabase = await startProxy(database.port);
  const { raw, vhost, cleanUp } = await provision();
  await using toBroker = await startProxy(Number(new URL(vhost.url).port));
  const port = await scratch.freePort();
  const config = parseConfig(
    {
      ...raw,
      db_settings: { dialect: "mysql", ...database, port: toDatabase.port, timeout_ms: 500 },
      amqp_settings: { ...raw["amqp_settings"], port: toBroker.port },
      health_settings: { port },
    },
    { keys: true, env: {}, folder: scratch.folder },
  );
  await migrate(config.db);
  toDatabase.cut();
  toBroker.cut();
  const worker = await createWorker(config, createLogTo({ write: () => undefined }, "info"));
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
  assert.match(brokerFault, /: no replies are sent; check the broker and amqp_settings$/);

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
  await waitUntil("the loss of both connections", async () => {
    const { reason } = await readiness(port);
    return reason === "away: broker requests, broker replies";
  });
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

test("/readyz reports a hung database within a second, even with many requests", async () => {
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
    // At most one read and one write of the checks, and one statement of the event relay.
    const { value } = await scrape(port);
    const busy =
      value('authmq_database_connections{state="open"}') - value('authmq_database_connections{state="idle"}');
    assert.ok(busy <= 3, `${busy} connections in use`);
    assert.equal(value('authmq_database_connections{state="waiting"}'), 0);
    proxy.restore();
    await readyState(port, "ready");
  }
  await dropDatabase(database.database);
});

test("/readyz reports an unreachable directory, and the worker stays ready", async () => {
  const port = await scratch.freePort();
  const closedPort = await scratch.freePort();
  const ldap_settings = { address: `ldap://127.0.0.1:${closedPort}`, base_dn: "dc=example,dc=com" };
  await using worker = await startWorker({ config: { ldap_settings, health_settings: { port } } });
  assert.deepEqual((await readiness(port)).dependencies["directory"], { state: "ok", required: false });
  assert.equal((await worker.call("login", { username: "nobody", password: "nope" })).resp_code, 503);
  const { code, dependencies } = await readiness(port);
  assert.equal(code, 200);
  const { state, required, detail } = dependencies["directory"]!;
  assert.deepEqual([state, required], ["away", false]);
  assert.match(
    detail ?? "",
    new RegExp(`^ldap://127.0.0.1:${closedPort}: .*: its users cannot log in; run authmq doctor`),
  );
  const { value } = await scrape(port);
  assert.equal(value("authmq_directory_duration_seconds_count"), 1);
  assert.equal(value('authmq_lane_wait_seconds_count{lane="directory"}'), 1);
});

test("/readyz says what to check when the directory rejects the service account", async () => {
  const port = await scratch.freePort();
  await using directory = await startFalseDirectory({ bind: () => ({ code: 49 }), search: () => [] });
  const ldap_settings = {
    address: directory.url,
    base_dn: "dc=example,dc=com",
    bind_dn: "cn=service,dc=example,dc=com",
    bind_password: "not this one",
  };
  await using worker = await startWorker({ config: { ldap_settings, health_settings: { port } } });
  assert.equal((await worker.call("login", { username: "nobody", password: "nope" })).resp_code, 503);
  const { code, dependencies } = await readiness(port);
  assert.equal(code, 200);
  assert.match(
    dependencies["directory"]?.detail ?? "",
    /^the service account is refused with result code 49 .*bind_dn and bind_password: its users cannot log in/,
  );
});

test("/readyz reports an unreachable KDC without a username, and the worker stays ready", {
  skip: missingForKdc() ?? missingForTickets() ?? false,
}, async () => {
  const port = await scratch.freePort();
  const kdc = await startKdc(scratch);
  await using proxy = await startProxy(kdc.port);
  const { realm, service, keytab } = kdc;
  const kerberos_settings = { realm, service, keytab, config_file: kdc.configFor(proxy.port) };
  await using worker = await startWorker({ config: { kerberos_settings, health_settings: { port } } });
  await kdc.addPrincipal("kerberos-user", "correct horse");
  await worker.addUser("kerberos-user", "", { authType: "KERBEROS" });
  const login = () => worker.call("login", { username: "kerberos-user", password: "correct horse" });
  assert.deepEqual((await readiness(port)).dependencies["kerberos"], { state: "ok", required: false });
  proxy.cut();
  assert.equal((await login()).resp_code, 503);
  const { code, dependencies } = await readiness(port);
  assert.equal(code, 200);
  const { state, required, detail = "" } = dependencies["kerberos"]!;
  assert.deepEqual([state, required], ["away", false]);
  assert.match(detail, /^kerberos: .*KDC.*: its users cannot log in; run authmq doctor$/);
  assert.doesNotMatch(detail, /kerberos-user/);
  proxy.restore();
  assert.equal((await login()).resp_code, 200);
  assert.deepEqual((await readiness(port)).dependencies["kerberos"], { state: "ok", required: false });
  assert.equal((await scrape(port)).value('authmq_lane_wait_seconds_count{lane="kerberos"}'), 2);
});

test("/readyz reports stopping while the worker answers its last requests", async () => {
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
