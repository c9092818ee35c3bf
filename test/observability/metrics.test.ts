import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { queueNames } from "../../src/config/queues.ts";
import { ERRORS } from "../../src/errors.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { amqpUrl } from "../support/rabbitmq.ts";
import { lastLine } from "../support/log-lines.ts";
import { startProxy } from "../support/proxy.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { Scratch, waitUntil } from "../support/servers/scratch.ts";
import { type DatabaseKind, DATABASES, startWorker, type TestWorker } from "../support/worker.ts";
import { scrape, type Scrape } from "./endpoints.ts";

const scratch = new Scratch();
after(() => scratch.close());

type Config = NonNullable<Parameters<typeof startWorker>[0]>["config"];

interface Measured extends TestWorker {
  readonly port: number;
}

async function start(config: Config = {}, database: DatabaseKind = "sqlite"): Promise<Measured> {
  const port = await scratch.freePort();
  const worker = await startWorker({ database, config: { ...config, health_settings: { port } } });
  return Object.assign(worker, { port });
}

/** Scrapes until a series has this value, because some counters change just after the reply. */
const scrapeUntil = (port: number, series: string, value: number): Promise<Scrape> =>
  waitUntil(
    `${series} ${value}`,
    async () => {
      const scraped = await scrape(port);
      return scraped.value(series) === value ? scraped : undefined;
    },
    { seconds: 30 },
  );

test("requests are counted and timed by queue and code", async () => {
  await using worker = await start();
  const { port } = worker;
  await worker.addUser("alice", "correct horse");
  const id_token = await worker.login("alice", "correct horse");
  for (const password of ["nope", "nope again"]) await worker.call("login", { username: "alice", password });
  await worker.call("login", { username: 7 });
  await worker.call("token", { id_token });
  await worker.call("user_get", { username: "nobody" });
  const { value } = await scrapeUntil(port, 'authmq_request_duration_seconds_count{queue="user_get"}', 1);
  const requests = (queue: string, code: number) =>
    value(`authmq_requests_total{queue="${queue}",code="${code}"}`);
  assert.deepEqual([requests("login", 200), requests("login", 401), requests("login", 400)], [1, 2, 1]);
  assert.deepEqual([requests("token", 200), requests("user_get", 404), requests("user_all", 200)], [1, 1, 0]);
  assert.equal(value('authmq_request_duration_seconds_count{queue="login"}'), 4);
  assert.equal(value('authmq_request_duration_seconds_bucket{le="10",queue="login"}'), 4);
  // Three password comparisons, each after a wait at the concurrency limit.
  assert.equal(value("authmq_hash_duration_seconds_count"), 3);
  assert.equal(value('authmq_lane_wait_seconds_count{lane="hashing"}'), 3);
  for (const queue of queueNames()) {
    assert.equal(value(`authmq_queue_consumed{queue="${queue}"}`), 1, queue);
    await scrapeUntil(port, `authmq_requests_in_flight{queue="${queue}"}`, 0);
  }
});

test("a renamed queue has its default name in metrics", async () => {
  await using worker = await start({ queue_settings: { user_workflow_get_user: "auth.users.get" } });
  const { port } = worker;
  await worker.call("auth.users.get", { username: "nobody" });
  const { text } = await scrapeUntil(port, 'authmq_requests_total{queue="user_get",code="404"}', 1);
  assert.deepEqual(
    text.split("\n").filter((line) => line.includes("auth.users.get")),
    [],
  );
});

test("a request that expires while it waits counts as expired and not as answered", async () => {
  await using worker = await start();
  const { port } = worker;
  await worker.addUser("slow", "correct horse", { cost: 12 });
  await using caller = await connectRaw(worker.url);
  const slow = JSON.stringify({ username: "slow", password: "wrong" });
  for (let index = 0; index < 3; index++) caller.publish("login", slow);
  await waitUntil("the slow ones", async () =>
    (await scrape(port)).value('authmq_requests_in_flight{queue="login"}') === 3 ? true : undefined,
  );
  caller.publish("login", slow, { expiration: 50 });
  const { value } = await scrapeUntil(port, 'authmq_requests_expired_total{queue="login"}', 1);
  assert.equal(value('authmq_requests_abandoned_total{queue="login"}'), 0);
  await scrapeUntil(port, 'authmq_requests_total{queue="login",code="401"}', 3);
});

test("redeliveries and connects are counted", async () => {
  await using proxy = await startProxy(Number(new URL(amqpUrl).port));
  await using worker = await start({ amqp_settings: { port: proxy.port } });
  const { port } = worker;
  await worker.addUser("slow", "correct horse", { cost: 13 });
  await using caller = await connectRaw(worker.url);
  const slow = JSON.stringify({ username: "slow", password: "wrong" });
  for (let index = 0; index < 4; index++) caller.publish("login", slow);
  await waitUntil("the logins", async () =>
    (await scrape(port)).value('authmq_requests_in_flight{queue="login"}') === 4 ? true : undefined,
  );
  const before = await scrape(port);
  assert.equal(before.value('authmq_broker_connects_total{purpose="requests"}'), 1);
  assert.equal(before.value('authmq_requests_redelivered_total{queue="login"}'), 0);
  proxy.restore(); // ends the connections
  for (const purpose of ["requests", "replies"])
    await scrapeUntil(port, `authmq_broker_connects_total{purpose="${purpose}"}`, 2);
  await waitUntil("a second delivery", async () =>
    (await scrape(port)).value('authmq_requests_redelivered_total{queue="login"}') > 0 ? true : undefined,
  );
});

test("an idempotent replay counts as an inbox hit, and a returned reply as unroutable", async () => {
  await using worker = await start();
  const { port } = worker;
  await worker.addUser("root", "correct horse", { groups: ["admin"] });
  const access_token = await worker.accessToken("root", ["admin"]);
  await using caller = await connectRaw(worker.url);
  const body = JSON.stringify({ groupname: "dev", access_token });
  for (const correlationId of ["first", "second"]) {
    caller.publish("group_create", body, { correlationId, messageId: "the same" });
    await caller.firstReply(correlationId);
  }
  caller.publish("user_get", JSON.stringify({ username: "root" }), { replyTo: "no-such-queue" });
  const { value } = await scrapeUntil(port, "authmq_replies_unroutable_total", 1);
  assert.equal(value('authmq_inbox_hits_total{queue="group_create"}'), 1);
  assert.equal(value("authmq_replies_lost_total"), 0);
});

test("texts of requests add no series", async () => {
  await using worker = await start();
  const { port } = worker;
  await using caller = await connectRaw(worker.url);
  const mark = "zzmarkzz";
  const bodies = [
    mark,
    `{"username":"${mark}"}`,
    JSON.stringify({ username: `${mark}"}\n# HELP x\nx 1`, password: mark }),
    JSON.stringify({ [mark]: mark, groupname: mark, access_token: mark, id_token: mark }),
    randomBytes(200),
    "x".repeat(70_000),
  ];
  const { series: before } = await scrape(port);
  for (const queue of queueNames())
    for (const [index, body] of bodies.entries())
      caller.publish(queue, body, {
        correlationId: `${mark}-${queue}-${index}`,
        appId: mark,
        type: mark,
        messageId: `${mark}\n${queue}${index}`,
        headers: { "x-idempotency-key": index % 2 === 0 ? { [mark]: 1 } : mark, queue: mark },
      });
  const expected = queueNames().length * bodies.length;
  await waitUntil("all replies", () => caller.replies.length >= expected || undefined);
  const { series, text } = await scrape(port);
  assert.deepEqual(
    text.split("\n").filter((line) => line.includes(mark)),
    [],
  );
  const codes = new Set([200, 204, ...Object.values(ERRORS).map(({ resp }) => resp)]);
  for (const name of series.keys()) {
    if (before.has(name) || !name.startsWith("authmq_")) continue;
    const [, queue, code] =
      /^authmq_(?:requests_total|request_duration_seconds_(?:bucket|sum|count))\{(?:le="[^"]+",)?queue="([a-z_]+)"(?:,code="(\d+)")?\}$/.exec(
        name,
      ) ?? assert.fail(name);
    assert.ok((queueNames() as string[]).includes(queue ?? ""), name);
    assert.ok(code === undefined || codes.has(Number(code)), name);
  }
});

test("metrics of the process are exported, including the event loop lag", async () => {
  await using worker = await start();
  const { port } = worker;
  const { names } = await scrape(port);
  for (const name of [
    "nodejs_eventloop_lag_p99_seconds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
  ])
    assert.ok(names.includes(name), name);
});

test("build_info has the versions of authmq and Node as labels", async () => {
  await using worker = await start();
  const { value } = await scrape(worker.port);
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const node = process.versions.node;
  assert.equal(value(`authmq_build_info{version="${version}",node="${node}"}`), 1);
});

test("every metric has a help text and a type", async () => {
  await using worker = await start();
  const { port } = worker;
  const { text, names, series } = await scrape(port);
  const types = new Map(
    Array.from(text.matchAll(/^# TYPE (\S+) (counter|gauge|histogram)$/gm), ([, name = "", type]) => [
      name,
      type,
    ]),
  );
  assert.deepEqual(
    [...types.keys()].filter((name) => name.startsWith("authmq_")),
    names.filter((name) => name.startsWith("authmq_")),
  );
  for (const key of series.keys()) {
    const name = key.replace(/\{.*/, "");
    assert.ok(types.has(name) || types.get(name.replace(/_(bucket|sum|count)$/, "")) === "histogram", key);
  }
  // OpenMetrics reserves _total for counters, and the other suffixes for histograms.
  for (const [name, type] of types) {
    assert.equal(name.endsWith("_total"), type === "counter", name);
    assert.doesNotMatch(name, /_(?:count|sum|bucket)$/);
  }
});

test("workers in one process have separate counters", async () => {
  await using one = await start();
  await using other = await start();
  await one.call("user_get", { username: "nobody" });
  await scrapeUntil(one.port, 'authmq_requests_total{queue="user_get",code="404"}', 1);
  assert.equal((await scrape(other.port)).value('authmq_requests_total{queue="user_get",code="404"}'), 0);
});

describe("authmq_database_connections", () => {
  for (const database of DATABASES)
    test(`has ${database === "mysql" ? "the pool's connections" : "no series"} on ${database}`, async () => {
      await using worker = await start({}, database);
      await worker.call("user_get", { username: "nobody" });
      const { series, names } = await scrape(worker.port);
      assert.ok(names.includes("authmq_database_connections"), names.join("\n"));
      const shown = ["open", "idle", "waiting"].map((state) =>
        series.get(`authmq_database_connections{state="${state}"}`),
      );
      if (database === "sqlite") return assert.deepEqual(shown, [undefined, undefined, undefined]);
      const [open = 0, idle = 0, waiting] = shown;
      assert.ok(open >= 1 && idle <= open, String(shown));
      return assert.equal(waiting, 0);
    });
});

test("a worker that stops logs all counters that are not 0", async () => {
  await using worker = await startWorker();
  await worker.call("user_get", { username: "nobody" });
  await worker.worker.stop();
  const { counters } = await lastLine(worker, "stopped");
  assert.deepEqual(counters, {
    requests_total: { user_get: { 404: 1 } },
    // The test's client uses direct reply-to.
    broker_connects_total: { requests: 1, replies: 1, "first replies": 1, events: 1 },
  });
});

test("an unknown metric or label does not compile", async () => {
  const metrics = createMetrics();
  metrics.count("inbox_hits_total", { queue: "login" });
  // @ts-expect-error no such metric
  metrics.count("inbox_misses_total", { queue: "login" });
  // @ts-expect-error no such label
  assert.throws(() => metrics.count("replies_lost_total", { queue: "login" }));
  // @ts-expect-error the label is missing
  metrics.count("requests_parked_total");
  // @ts-expect-error not a queue
  metrics.count("requests_parked_total", { queue: "no_queue" });
  // @ts-expect-error a histogram is not counted
  metrics.count("hash_duration_seconds");
  // @ts-expect-error a counter is not observed
  metrics.observe("replies_lost_total", 1);
  assert.deepEqual((await metrics.snapshot())["inbox_hits_total"], { login: 1 });
});
