import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { propagation, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-node";
import { startFalseDirectory } from "../support/false-directory.ts";
import { linesOf } from "../support/log-lines.ts";
import { startProxy } from "../support/proxy.ts";
import { connectRaw, type RawCaller } from "../support/raw-caller.ts";
import { missingForKdc, startKdc } from "../support/servers/kdc.ts";
import { Scratch, waitUntil } from "../support/servers/scratch.ts";
import { pathOf, recordSpans } from "../support/spans.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

const spans = recordSpans();

/** A caller's trace: trace ID, span ID and the traceparent header. */
function newTrace(): { traceId: string; spanId: string; traceparent: string } {
  const [traceId, spanId] = [randomBytes(16).toString("hex"), randomBytes(8).toString("hex")];
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}

/** The span of the request itself. */
function rootOf(trace: readonly ReadableSpan[]): ReadableSpan {
  const root = trace.find(({ name }) => name.startsWith("process "));
  assert.ok(root !== undefined, trace.map(({ name }) => name).join("\n"));
  return root;
}

/** The paths of all spans of a trace, without differences between databases. */
const pathsOf = (trace: readonly ReadableSpan[]): string[] => trace.map((span) => pathOf(span, trace)).sort();

for (const database of DATABASES) {
  describe(`the spans of a request on ${database}`, () => {
    let worker: TestWorker;
    let caller: RawCaller;
    before(async () => {
      worker = await startWorker({ database });
      caller = await connectRaw(worker.url);
      await worker.addUser("alice", "correct horse battery");
    });
    after(async () => {
      await caller[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
    });
    const ask = async (queue: string, request: object): Promise<ReadableSpan[]> => {
      const { traceId, spanId, traceparent } = newTrace();
      const correlationId = randomUUID();
      caller.publish(queue, JSON.stringify(request), { correlationId, headers: { traceparent } });
      const trace = await spans.of(traceId);
      const root = rootOf(trace);
      assert.equal(root.parentSpanContext?.spanId, spanId);
      assert.equal(root.attributes["messaging.message.conversation_id"], correlationId);
      return trace;
    };

    test("continue the caller's trace, with one span for each operation", async () => {
      const id_token = await worker.login("alice", "correct horse battery");
      await worker.call("token", { id_token });
      const trace = await ask("token", { id_token });
      assert.deepEqual(pathsOf(trace), [
        "process token",
        "process token > look up session",
        "process token > look up session > SELECT token",
        "process token > send reply",
      ]);
      const root = rootOf(trace);
      assert.equal(root.kind, SpanKind.CONSUMER);
      const { "messaging.message.conversation_id": id, ...attributes } = root.attributes;
      assert.equal(typeof id, "string");
      assert.deepEqual(attributes, {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "token",
        "authmq.resp_code": 200,
      });
      const statement = trace.find(({ name }) => name === "SELECT token");
      assert.equal(statement?.kind, SpanKind.CLIENT);
      assert.deepEqual(statement.attributes, {
        "db.system.name": database,
        "db.operation.name": "SELECT",
        "db.collection.name": "token",
      });
      for (const span of trace) assert.equal(span.status.code, SpanStatusCode.UNSET, span.name);
    });

    test("have the times of a login's wait and hash, and contain no secret", async () => {
      const before = spans.all().length;
      const typed = `typed-${randomUUID().slice(0, 12)}`;
      const trace = await ask("login", { username: "alice", password: "correct horse battery" });
      await ask("login", { username: typed, password: "correct horse battery" });
      await ask("login", { username: "alice", password: typed });
      const compared = trace.find(({ name }) => name === "compare password");
      assert.equal(pathOf(compared!, trace), "process login > compare password");
      const { "authmq.lane.wait_ms": waited, "authmq.hash_ms": hashed } = compared!.attributes;
      assert.ok(Number(waited) >= 0 && Number(hashed) > 0, `${String(waited)}, ${String(hashed)}`);
      const names = pathsOf(trace);
      assert.ok(
        names.some((path) => /^process login > (INSERT|UPDATE) token$/.test(path)),
        names.join("\n"),
      );
      assert.ok(names.includes("process login > COMMIT"), names.join("\n"));
      for (const { name, attributes, events, links, status } of spans.all().slice(before)) {
        const said = JSON.stringify([name, attributes, events, links, status]);
        for (const secret of [typed, "correct horse", "alice"])
          assert.ok(!said.includes(secret), said.replaceAll(secret, "..."));
      }
    });

    test("of a 4xx are no error, and have the error code", async () => {
      const root = rootOf(await ask("token", { id_token: "x" }));
      assert.equal(root.status.code, SpanStatusCode.UNSET);
      assert.equal(root.attributes["authmq.resp_code"], 401);
      assert.equal(root.attributes["authmq.error"], "INVALID_TOKEN");
    });

    test("of batched requests share one statement, and no span has a parent in another trace", async () => {
      const id_token = await worker.login("alice", "correct horse battery");
      const first = spans.all().length;
      const traces = Array.from({ length: 40 }, newTrace);
      for (const { traceparent } of traces)
        caller.publish("token", JSON.stringify({ id_token }), { headers: { traceparent } });
      await Promise.all(traces.map(({ traceId }) => spans.of(traceId)));
      const newSpans = spans.all().slice(first);
      const statements = newSpans.filter(({ name }) => name === "SELECT token");
      assert.ok(statements.length > 0 && statements.length < 40, String(statements.length));
      assert.equal(newSpans.filter(({ name }) => name === "look up session").length, 40);
      for (const span of newSpans) {
        if (span.name.startsWith("process ")) continue;
        const parent = newSpans.find((one) => one.spanContext().spanId === span.parentSpanContext?.spanId);
        assert.equal(parent?.spanContext().traceId, span.spanContext().traceId, span.name);
      }
    });

    test("do not include writes after the reply", async () => {
      const id_token = await worker.login("alice", "correct horse battery");
      await worker.call("token", { id_token });
      const lastUse = () => worker.db.selectFrom("token").select("last_use").execute();
      const before = await lastUse();
      const first = spans.all().length;
      await ask("token", { id_token });
      await waitUntil("the later write", async () => !isDeepStrictEqual(await lastUse(), before));
      const later = spans.all().slice(first);
      assert.deepEqual(
        later.filter(({ name }) => name.startsWith("UPDATE")),
        [],
      );
    });
  });
}

test("a 5xx marks the span as an error, and its log line has the trace ID", async () => {
  await using worker = await startWorker();
  await using caller = await connectRaw(worker.url);
  await worker.db.schema.dropTable("usergroup").execute();
  const { traceId, traceparent } = newTrace();
  caller.publish("user_get", '{"username":"alice"}', { headers: { traceparent } });
  const trace = await spans.of(traceId);
  const root = rootOf(trace);
  assert.equal(root.status.code, SpanStatusCode.ERROR);
  assert.equal(root.attributes["authmq.resp_code"], 503);
  assert.equal(root.attributes["error.type"], "UNAVAILABLE");
  const line = await waitUntil("its line", () => linesOf(worker, "a request failed").at(-1));
  assert.equal(line["trace_id"], traceId);
});

test("a redelivered request belongs to the same trace", async () => {
  const app_config = { bcrypt_cost: 12 };
  await using worker = await startWorker({ config: { app_config } });
  await using proxy = await startProxy(worker.config.amqp.nodes[0].port);
  await using other = await startWorker({
    config: {
      app_config,
      amqp_settings: { port: proxy.port, vhost: worker.vhost },
      db_settings: worker.raw["db_settings"]!,
    },
  });
  await using caller = await connectRaw(worker.url);
  const body = JSON.stringify({ username: "nobody", password: "wrong" });
  const traces = Array.from({ length: 4 }, newTrace);
  for (const { traceparent } of traces) caller.publish("login", body, { headers: { traceparent } });
  await waitUntil("a request on the way", async () =>
    /requests_in_flight\{queue="login"\} [1-9]/.test(await other.worker.metrics.render()),
  );
  proxy.cut();
  await waitUntil("all replies", () => caller.replies.length >= 4);
  const again = await waitUntil("its span", () =>
    spans.all().find(({ attributes }) => attributes["authmq.redelivered"] === true),
  );
  const { traceId } = again.spanContext();
  const sent = traces.map((one) => one.traceId);
  assert.ok(sent.includes(traceId), `${traceId}: ${sent.join(", ")}`);
  const trace = await spans.of(traceId, 2);
  const dropped = trace.find(({ attributes }) => attributes["authmq.outcome"] === "abandoned");
  assert.ok(dropped !== undefined, trace.map(({ name }) => name).join("\n"));
  const paths = pathsOf(trace.filter(({ parentSpanContext: parent }) => parent !== undefined));
  assert.ok(paths.includes("process login > INSERT rpc_attempt"), paths.join("\n"));
  assert.ok(paths.includes("process login > compare password"), paths.join("\n"));
  proxy.restore();
});

test("a directory login has spans for the directory requests, without the username", async () => {
  await using directory = await startFalseDirectory({
    bind: () => ({ code: 49, text: "no" }),
    search: () => [],
  });
  const ldap_settings = { address: directory.url, base_dn: "dc=x", bind: "uid={username},dc=x" };
  await using worker = await startWorker({ config: { ldap_settings } });
  await using caller = await connectRaw(worker.url);
  const { traceId, traceparent } = newTrace();
  const request = { username: "mallory", password: "correct horse battery" };
  caller.publish("login", JSON.stringify(request), { headers: { traceparent } });
  const trace = await spans.of(traceId);
  const bind = trace.find(({ name }) => name === "LDAP bind");
  assert.equal(pathOf(bind!, trace), "process login > ask directory > LDAP bind");
  const { "server.address": host, "authmq.ldap.result_code": code } = bind!.attributes;
  assert.deepEqual([host, code], ["127.0.0.1", 49]);
  const paths = pathsOf(trace);
  assert.ok(paths.includes("process login > ask directory > LDAP connect"), paths.join("\n"));
  for (const { name, attributes } of trace)
    assert.ok(!JSON.stringify(attributes).includes("mallory"), `${name} names the user`);
});

test("a Kerberos login has spans for the KDC requests", {
  skip: missingForKdc() ?? false,
}, async () => {
  const scratch = new Scratch();
  process.env["KRB5RCACHEDIR"] = scratch.subfolder("replays");
  const kdc = await startKdc(scratch);
  const { realm, service, keytab, configFile: config_file } = kdc;
  await kdc.addPrincipal("alice", "correct horse battery");
  {
    const kerberos_settings = { realm, service, keytab, config_file };
    await using worker = await startWorker({ config: { kerberos_settings } });
    await worker.addUser("alice", "", { authType: "KERBEROS" });
    await using caller = await connectRaw(worker.url);
    const { traceId, traceparent } = newTrace();
    const request = { username: "alice", password: "correct horse battery" };
    caller.publish("login", JSON.stringify(request), { headers: { traceparent } });
    const trace = await spans.of(traceId);
    assert.equal(rootOf(trace).attributes["authmq.resp_code"], 200);
    const paths = pathsOf(trace);
    for (const part of ["Kerberos kinit", "Kerberos accept"])
      assert.ok(paths.includes(`process login > ask KDC > ${part}`), paths.join("\n"));
    for (const { name, attributes } of trace)
      assert.ok(!/alice|correct/.test(JSON.stringify(attributes)), `${name} has the user or the password`);
  }
  await scratch.close();
});

test("invalid trace headers start a new trace, and the request is answered", async () => {
  await using worker = await startWorker();
  await using caller = await connectRaw(worker.url);
  const { traceparent } = newTrace();
  const hostile: unknown[] = [
    ...[
      1,
      true,
      null,
      [traceparent],
      { traceparent },
      Buffer.from(traceparent),
      "",
      "00-xyz",
      "x".repeat(9000),
    ],
    ...[`00-${"0".repeat(32)}-${"0".repeat(16)}-01`, `${traceparent}\u0000`, { "!": "timestamp", value: 1 }],
  ];
  const first = spans.all().length;
  for (const value of hostile)
    caller.publish("user_get", "{}", { headers: { traceparent: value, tracestate: value, baggage: value } });
  await waitUntil("all replies", () => caller.replies.length === hostile.length);
  const roots = await waitUntil("all spans", () => {
    const found = spans
      .all()
      .slice(first)
      .filter(({ name }) => name === "process user_get");
    return found.length === hostile.length ? found : undefined;
  });
  for (const root of roots) assert.equal(root.parentSpanContext, undefined);
});

test("a propagator that throws loses the trace and not the request", async () => {
  await using worker = await startWorker();
  propagation.disable();
  propagation.setGlobalPropagator({
    inject: () => undefined,
    extract: () => {
      throw new URIError("URI malformed");
    },
    fields: () => [],
  });
  assert.equal((await worker.call("user_get", { username: "nobody" })).resp_code, 404);
  const names = spans.all().map(({ name }) => name);
  assert.ok(names.includes("process user_get"), names.join("\n"));
});
