import assert from "node:assert/strict";
import { once } from "node:events";
import { renameSync } from "node:fs";
import { describe, test } from "node:test";
import { folderWith, startCli } from "../support/cli.ts";
import type { LogLine } from "../support/log-lines.ts";
import { listen, type LoggingWorker, startLoggingWorker } from "../support/logging-worker.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startServing } from "../support/serving.ts";
import { provision } from "../support/worker.ts";

const CANNOT = "cannot publish log records: they are written here too";
const AGAIN = "log records are published again";

/** The messages of the published records, in order. */
const published = (worker: LoggingWorker): string[] => worker.published.map(({ line }) => line.msg);

const shown = (worker: LoggingWorker, msg: string) => worker.stderr.filter((line) => line.msg === msg);

const answered = (lines: LoggingWorker["stderr"]): number =>
  lines.filter(({ msg }) => msg === "a request was answered").length;

test("records go to the exchange with logger and level as routing key, and not to stderr", async () => {
  await using worker = await startLoggingWorker();
  await worker.ask("nobody");
  await waitUntil("the record", () => published(worker).includes("a request was answered"));
  await worker.stop();
  await waitUntil("the last record", () => published(worker).includes("stopped"));
  const { key, properties, line } = worker.published.find(({ line: { msg } }) => msg.includes("answered"))!;
  assert.equal(key, "authmq.info");
  assert.equal(properties["contentType"], "application/json");
  assert.equal(properties["deliveryMode"], 1);
  assert.deepEqual([line["queue"], line["code"], line["error"]], ["user_get", 404, "USER_NOT_FOUND"]);
  assert.deepEqual(worker.stderr, []);
});

test("the configured exchange and logger are used", async () => {
  await using worker = await startLoggingWorker({ exchange: "logs", logger: "auth.eu-1" });
  await worker.ask("nobody");
  await waitUntil("the record", () => worker.published.length > 0);
  assert.equal(worker.published[0]?.key, "auth.eu-1.info");
});

test("a deleted exchange blocks no request, and its records go to stderr", async () => {
  await using worker = await startLoggingWorker({ exchange: "logs" });
  await worker.ask("before");
  await waitUntil("the record", () => answered(worker.published.map(({ line }) => line)) === 1);
  await worker.caller.channel.deleteExchange("logs");
  for (let index = 0; index < 20; index++) await worker.ask(`gone-${index}`);
  const [why] = await waitUntil("the reason", () => {
    const lines = shown(worker, CANNOT);
    return lines.length > 0 ? lines : undefined;
  });
  assert.match(String(why?.["reason"]), /NOT_FOUND - no exchange 'logs'/);
  await waitUntil("the records", () => answered(worker.stderr) === 20);
  await listen(worker.caller, "logs", worker.published);
  await waitUntil("the recovery", () => shown(worker, AGAIN).length === 1);
  await worker.ask("after");
  await waitUntil("the records, late", () => answered(worker.published.map(({ line }) => line)) >= 22);
  assert.equal(answered(worker.stderr), 20);
  assert.equal(shown(worker, CANNOT).length, 1);
});

test("a missing exchange is reported once, and all records go to stderr", async () => {
  await using worker = await startLoggingWorker({ exchange: "logs" }, { isMissing: true });
  for (let index = 0; index < 3; index++) await worker.ask(`missing-${index}`);
  await waitUntil("the records", () => answered(worker.stderr) === 3);
  await worker.stop();
  assert.equal(shown(worker, "stopped").length, 1);
  assert.equal(shown(worker, CANNOT).length, 1);
  assert.match(String(shown(worker, CANNOT)[0]?.["reason"]), /NOT_FOUND/);
});

test("a lost connection blocks no request, and its records are published after the reconnect", async () => {
  await using worker = await startLoggingWorker();
  await worker.ask("before");
  await waitUntil("the record", () => answered(worker.published.map(({ line }) => line)) === 1);
  worker.proxy.cut();
  const since = performance.now();
  for (let index = 0; index < 50; index++) await worker.ask(`cut-${index}`);
  const ms = performance.now() - since;
  assert.ok(ms < 4000, `${ms} ms`);
  await waitUntil("the records on stderr", () => answered(worker.stderr) === 50);
  assert.equal(shown(worker, CANNOT).length, 1);
  worker.proxy.restore();
  await waitUntil("the records", () => answered(worker.published.map(({ line }) => line)) === 51);
  await waitUntil("the recovery", () => shown(worker, AGAIN).length === 1);
});

test("a hung broker blocks neither requests nor the stop, and unpublished records go to stderr", async () => {
  await using worker = await startLoggingWorker();
  await worker.ask("before");
  await waitUntil("the record", () => answered(worker.published.map(({ line }) => line)) === 1);
  worker.proxy.hang();
  for (let index = 0; index < 5; index++) await worker.ask(`hung-${index}`);
  const since = performance.now();
  await worker.stop();
  assert.ok(performance.now() - since < 6000, `${performance.now() - since} ms`);
  assert.equal(answered(worker.stderr), 5);
  assert.equal(shown(worker, "stopped").length, 1);
});

test("a short loss of the connection loses no records", async () => {
  await using worker = await startLoggingWorker();
  for (let index = 0; index < 10; index++) await worker.ask(`one-${index}`);
  worker.proxy.restore(); // closes open connections and accepts new ones
  for (let index = 0; index < 10; index++) await worker.ask(`two-${index}`);
  await waitUntil("all records", () => {
    const requests = new Set(worker.published.map(({ line }) => line["correlation_id"]));
    return requests.size >= 20;
  });
});

test("an error goes to stderr at once, and is published too", async () => {
  await using worker = await startLoggingWorker();
  assert.equal(worker.config.db.dialect, "sqlite");
  const { file } = worker.config.db;
  renameSync(file, `${file}.away`);
  await assert.rejects(worker.ask("nobody"), /503/);
  renameSync(`${file}.away`, file);
  await waitUntil("the record", () => published(worker).includes("a request failed"));
  assert.equal(worker.published.find(({ line: { msg } }) => msg.includes("failed"))?.key, "authmq.error");
  await worker.stop();
  assert.deepEqual(
    worker.stderr.map(({ msg }) => msg),
    ["a request failed"],
  );
});

test("the queue of records is bounded: the oldest are dropped, counted and written to stderr", async () => {
  await using worker = await startLoggingWorker();
  await worker.ask("before");
  await waitUntil("the record", () => answered(worker.published.map(({ line }) => line)) === 1);
  worker.proxy.cut();
  const isAway = async () => /broker_connected\{purpose="log"\} 0/.test(await worker.metrics.render());
  await waitUntil("the end of the connection", isAway);
  const filling = "x".repeat(200_000);
  for (let index = 0; index < 60; index++) worker.log.info({ index, filling }, "ready");
  const { log_records_dropped_total: dropped } = await worker.metrics.snapshot();
  assert.ok(typeof dropped === "number", typeof dropped);
  assert.ok(dropped > 10 && dropped < 30, `${dropped} records`);
  const seen = shown(worker, "ready").map(({ index }) => index);
  assert.deepEqual(
    seen,
    Array.from({ length: dropped }, (_, index) => index),
  );
  worker.proxy.restore();
  const summary = await waitUntil("the record", () =>
    worker.published.find(({ line: { msg } }) => msg.startsWith("log records were dropped")),
  );
  assert.deepEqual([summary.key, summary.line["dropped"]], ["authmq.warn", dropped]);
  await waitUntil("the last one", () => worker.published.some(({ line }) => line["index"] === 59));
  const indices = worker.published.map(({ line }) => line["index"]);
  assert.ok(!indices.includes(dropped - 1), `${dropped} dropped: ${indices.join(", ")}`);
});

describe("serve with the handler amqp", () => {
  test("publishes all records, including the last one, and writes only ready to stderr", async () => {
    const log_settings = { handler: "amqp" };
    await using serving = await startServing({ config: { log_settings } });
    await using caller = await connectRaw(serving.url);
    const records: LoggingWorker["published"][number][] = [];
    await listen(caller, "amq.topic", records);
    await serving.ready();
    serving.child.kill("SIGTERM");
    assert.deepEqual(await serving.ended, [0, null]);
    await waitUntil("the last record", () => records.some(({ line }) => line.msg === "stopped"));
    assert.equal(serving.stderr(), "ready\n");
  });

  test("writes an uncaught error and all unpublished records to stderr", async () => {
    const { raw, vhost, cleanUp } = await provision({
      // Nothing can be published, because the exchange is missing.
      config: { log_settings: { level: "info", handler: "amqp", handler_settings: { exchange: "logs" } } },
    });
    const hook = new URL("../secrets/crash-hook.ts", import.meta.url).href;
    const child = startCli(["serve", "--migrate"], { cwd: folderWith(raw), node: ["--import", hook] });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await waitUntil("ready", () => said.includes("ready"));
    await using caller = await connectRaw(vhost.url);
    caller.publish("user_get", "{}", { correlationId: "before" });
    await caller.settledReplies("before");
    caller.publish("user_get", "{}", { correlationId: "exception" });
    const [code] = (await once(child, "close")) as [number];
    assert.equal(code, 1);
    const messages = said
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => (JSON.parse(line) as LogLine).msg);
    assert.ok(messages.includes("uncaught error"), said);
    assert.ok(messages.includes("a request was answered"), said);
    await cleanUp();
  });
});
