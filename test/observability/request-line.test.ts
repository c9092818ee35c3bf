import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { renameSync } from "node:fs";
import { describe, test } from "node:test";
import { openEngine } from "../../src/engine.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { type LogLine, linesOf } from "../support/log-lines.ts";
import { startProxy } from "../support/proxy.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { HOSTILE, readLine } from "./hostile.ts";

const ANSWERED = "a request was answered";

/** The latest line for this queue and code. */
function lineOf(worker: TestWorker, queue: string, code: number): Promise<LogLine> {
  const find = (): LogLine | undefined =>
    linesOf(worker, ANSWERED)
      .filter((line) => line["queue"] === queue && line["code"] === code)
      .at(-1);
  return waitUntil(`a line of ${queue} with ${code}`, find, { seconds: 5 });
}

/** The fields of a line, without those that every line has. */
function extraFields({ time, pid, level, msg, ms, ...rest }: LogLine): object {
  assert.deepEqual([typeof time, typeof pid, typeof msg], ["number", "number", "string"]);
  assert.ok(level === 30 || level === 50, String(level));
  assert.ok(typeof ms === "number" && ms > 0 && ms < 60_000, String(ms));
  return rest;
}

test("a request has one line with queue, code, user and sender", async () => {
  await using worker = await startWorker();
  await worker.addUser("Alice", "correct horse", { groups: ["admin"] });
  await using caller = await connectRaw(worker.url);
  const ask = async (queue: string, request: object, properties = {}): Promise<LogLine> => {
    const correlationId = randomUUID();
    caller.publish(queue, JSON.stringify(request), { correlationId, appId: "orders", ...properties });
    return waitUntil("its line", () =>
      linesOf(worker, ANSWERED).find((line) => line["correlation_id"] === correlationId),
    );
  };

  const login = await ask("login", { username: "aLICE", password: "correct horse" });
  const { correlation_id, ...rest } = extraFields(login) as Record<string, unknown>;
  assert.equal(typeof correlation_id, "string");
  assert.deepEqual(rest, { queue: "login", code: 200, user: "Alice", app_id: "orders" });

  const access_token = await worker.accessToken("Alice", ["admin"]);
  const userId = worker.config.amqp.username;
  const group = await ask("group_create", { groupname: "staff", access_token }, { userId });
  assert.equal(group["user"], "Alice");
  assert.equal(group["user_id"], userId);

  const taken = await ask("group_create", { groupname: "staff", access_token });
  assert.deepEqual([taken["code"], taken["error"], taken["user"]], [409, "GROUP_TAKEN", "Alice"]);

  const plain = await worker.accessToken("Alice");
  const refused = await ask("group_create", { groupname: "other", access_token: plain });
  assert.deepEqual([refused["code"], refused["user"]], [403, "Alice"]);

  const missing = await ask("token", {});
  assert.deepEqual(
    [missing["code"], missing["error"], missing["reason"]],
    [401, "INVALID_TOKEN", "id_token is missing"],
  );
  assert.ok(!("user" in missing), "the line names a user");
  await worker.worker.stop();
  assert.equal(linesOf(worker, ANSWERED).length, 5, "one line each");
});

test("no line contains the username of a failed login", async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "correct horse");
  // A user typed the password into the username field: alone, and after the username.
  const typed = `pass-${randomUUID().slice(0, 20)}`;
  for (const username of [typed, `alice${typed.slice(0, 20)}`]) {
    const { resp_code } = await worker.call("login", { username, password: "correct horse" });
    assert.equal(resp_code, 401);
  }
  assert.equal((await worker.call("login", { username: "alice", password: typed })).resp_code, 401);
  const line = await lineOf(worker, "login", 401);
  assert.equal(line["error"], "INVALID_CREDENTIALS");
  assert.ok(!("user" in line), "the line names a user");
  await worker.worker.stop();
  assert.equal(linesOf(worker, ANSWERED).filter(({ code }) => code === 401).length, 3);
  const secret = typed.slice(0, 20);
  for (const one of worker.log) assert.ok(!one.includes(secret), one.replaceAll(secret, "..."));
});

test("an idempotent replay has repeat: true and the user", async () => {
  await using worker = await startWorker();
  await worker.addUser("Alice", "correct horse");
  await using caller = await connectRaw(worker.url);
  const body = JSON.stringify({ username: "alice", password: "correct horse" });
  for (const correlationId of ["first", "second"]) {
    caller.publish("login", body, { correlationId, messageId: "one and the same" });
    await caller.firstReply(correlationId);
  }
  await worker.worker.stop();
  const lines = linesOf(worker, ANSWERED).map(({ code, user, repeat }) => [code, user, repeat]);
  assert.deepEqual(lines, [
    [200, "Alice", undefined],
    [200, "Alice", true],
  ]);
});

test("a line has the caller's trace ID, even without tracing in the worker", async () => {
  await using worker = await startWorker();
  await using caller = await connectRaw(worker.url);
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  const headers = [
    { traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
    { traceparent: `00-${"0".repeat(32)}-00f067aa0ba902b7-01` },
    { traceparent: [traceId] },
    {},
  ];
  for (const [index, one] of headers.entries()) {
    caller.publish("user_get", "{}", { correlationId: `c${index}`, headers: one });
    await caller.firstReply(`c${index}`);
  }
  await worker.worker.stop();
  const traces = linesOf(worker, ANSWERED).map(({ trace_id }) => trace_id);
  assert.deepEqual(traces, [traceId, undefined, undefined, undefined]);
});

test("the line of a revoked session names its user", async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "correct horse");
  const id_token = await worker.login("alice", "correct horse");
  await worker.login("alice", "correct horse");
  assert.equal((await worker.call("token", { id_token })).resp_code, 401);
  const { user, reason } = await lineOf(worker, "token", 401);
  assert.deepEqual([user, reason], ["alice", "the session has ended"]);
});

test("correlation_id and app_id are cut and escaped", async () => {
  await using worker = await startWorker();
  await using caller = await connectRaw(worker.url);
  const correlationId = `c${HOSTILE}${"x".repeat(255 - 1 - Buffer.byteLength(HOSTILE))}`;
  const appId = "é".repeat(127);
  caller.publish("user_get", "{}", { correlationId, appId });
  await waitUntil("the reply", () => caller.replies.length > 0);
  const line = await lineOf(worker, "user_get", 400);
  assert.equal(line["correlation_id"], `${correlationId.slice(0, 128)}...`);
  assert.equal(line["app_id"], appId);
  for (const one of worker.log) readLine(one);
});

describe("dropped requests", () => {
  test("an expired request has the outcome expired and no code", async () => {
    const amqp_settings = { prefetch_by_queue: { login: 64 } };
    await using worker = await startWorker({ config: { app_config: { bcrypt_cost: 10 }, amqp_settings } });
    await using caller = await connectRaw(worker.url);
    const body = JSON.stringify({ username: "alice", password: "wrong" });
    // The previous logins keep all processors busy until the last request has expired.
    for (let index = 0; index < 8; index++) caller.publish("login", body);
    caller.publish("login", body, { correlationId: "late", expiration: "30" });
    const dropped = await waitUntil("its line", () => linesOf(worker, "a request was dropped").at(-1));
    assert.deepEqual(extraFields(dropped), { queue: "login", outcome: "expired", correlation_id: "late" });
  });

  test("a request that goes to another worker is abandoned here and redelivered there", async () => {
    await using worker = await startWorker({ config: { app_config: { bcrypt_cost: 12 } } });
    await using proxy = await startProxy(worker.config.amqp.nodes[0].port);
    await using other = await startWorker({
      config: {
        app_config: { bcrypt_cost: 12 },
        amqp_settings: { port: proxy.port, vhost: worker.vhost },
        db_settings: worker.raw["db_settings"]!,
      },
    });
    await using caller = await connectRaw(worker.url);
    await worker.addUser("alice", "correct horse");
    const body = JSON.stringify({ username: "alice", password: "wrong" });
    for (let index = 0; index < 4; index++) caller.publish("login", body);
    const isUnderway = async () =>
      /requests_in_flight\{queue="login"\} [1-9]/.test(await other.worker.metrics.render());
    await waitUntil("a request on the way", isUnderway);
    proxy.cut();
    await waitUntil("all replies", () => caller.replies.length >= 4);
    const abandoned = await waitUntil("its line", () => linesOf(other, "a request was dropped").at(-1));
    assert.equal(abandoned["outcome"], "abandoned");
    const again = await waitUntil("its line", () =>
      linesOf(worker, ANSWERED).find(({ redelivered }) => redelivered === true),
    );
    assert.equal(again["code"], 401);
    proxy.restore();
  });
});

test("a request without a broker has a line without the fields of a message", async () => {
  await using worker = await startWorker();
  const log: string[] = [];
  const logger = createLogTo({ write: (line) => void log.push(line) }, "info");
  const engine = await openEngine(worker.config, logger, createMetrics());
  await worker.addUser("Alice", "correct horse");
  await engine.pipeline.call("login", { username: "alice", password: "correct horse" });
  await assert.rejects(engine.pipeline.call("token", { id_token: "none" }));
  await engine.close();
  const lines = log.map((line) => extraFields(JSON.parse(line) as LogLine));
  assert.deepEqual(lines, [
    { queue: "login", code: 200, user: "Alice" },
    { queue: "token", code: 401, error: "INVALID_TOKEN" },
  ]);
});

test("at the level warn only failed requests have a line", async () => {
  // Publishing is off, because the event relay would fail on the missing file too.
  await using worker = await startWorker({
    config: { log_settings: { level: "warn" }, event_settings: { publish: false } },
  });
  assert.equal((await worker.call("user_get", { username: "nobody" })).resp_code, 404);
  assert.equal(worker.config.db.dialect, "sqlite");
  const { file } = worker.config.db;
  renameSync(file, `${file}.away`);
  assert.equal((await worker.call("user_get", { username: "nobody" })).resp_code, 503);
  renameSync(`${file}.away`, file);
  await worker.worker.stop();
  const [line, ...more] = linesOf(worker, "a request failed");
  assert.deepEqual([worker.log.length, more], [1, []]);
  const { correlation_id, reason, ...rest } = extraFields(line!) as Record<string, unknown>;
  assert.equal(typeof correlation_id, "string");
  assert.match(String(reason), /was removed or replaced/);
  assert.deepEqual(rest, { queue: "user_get", code: 503, error: "UNAVAILABLE" });
});
