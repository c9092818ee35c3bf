import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { AuthError, connect, NoReplyError } from "../../src/client/index.ts";
import { queueNames } from "../../src/config/queues.ts";
import { QUEUES } from "../../src/wire/queues.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";
import { done, refused, startResponder } from "./responder.ts";

const IDS = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

test("the client calls every workflow of a worker with the same methods as createAuth", async () => {
  await using worker = await startWorker();
  await worker.addUser("root", "correct horse", { groups: ["admin"] });
  await using auth = await connect({ url: worker.url });
  const root = { username: "root", password: "correct horse" };
  const { id_token } = await auth.session.login({ ...root, ip: "::ffff:10.0.0.1" });
  const { access_token } = await auth.session.getAccessToken({ id_token, ip: "10.0.0.1" });
  const alice = { username: "alice", password: "battery staple" };
  await auth.user.adminCreate({ ...alice, email: "alice@example.com", access_token });
  await auth.group.create({ groupname: "ops", access_token });
  await auth.group.addUser({ groupname: "ops", username: "alice", access_token });
  assert.deepEqual(await auth.group.members({ groupname: "ops", access_token }), { users: ["alice"] });
  assert.deepEqual(await auth.call("group_all", { access_token }), { groups: ["admin", "ops"] });
  assert.equal((await auth.user.get({ username: "alice", access_token })).email, "alice@example.com");
  await auth.user.delete({ username: "alice", access_token });
  const lastAdmin = { username: "root", access_token };
  await assert.rejects(auth.call("user_delete", lastAdmin), { code: "LAST_ADMIN", respCode: 409 });
  await auth.session.logout({ id_token, ip: "10.0.0.1" });
  const refusals = [
    [() => auth.session.getAccessToken({ id_token, ip: "10.0.0.1" }), "INVALID_TOKEN", 401],
    [() => auth.call("user_delete", lastAdmin), "INVALID_TOKEN", 401],
    [() => auth.session.login({ ...root, password: "wrong" }), "INVALID_CREDENTIALS", 401],
    [() => auth.user.get({ username: "alice" }), "USER_NOT_FOUND", 404],
  ] as const;
  for (const [call, code, respCode] of refusals) {
    await assert.rejects(call(), (error) => {
      assert.ok(error instanceof AuthError, String(error));
      assert.deepEqual([error.code, error.respCode], [code, respCode]);
      return true;
    });
  }
  await assert.rejects(auth.session.login({ username: "x", password: "y" }), {
    code: "INVALID_INPUT",
    fields: [{ path: "username", msg: "must match [a-zA-Z-_0-9]{4,30}" }],
  });
});

test("every queue has one method, which calls that queue or its renamed queue", async () => {
  const names = queueNames();
  const renamed = "auth.login";
  const queues = names.map((name) => (name === "login" ? renamed : name));
  await using responder = await startResponder(queues, ({ queue, body }) => done({ queue, body }));
  await using auth = await connect({ url: responder.url, queues: { login: renamed } });
  for (const [queue, { namespace, method }] of Object.entries(QUEUES)) {
    const methods = (auth as unknown as Record<string, Record<string, (request: object) => Promise<object>>>)[
      namespace
    ];
    const reply = await methods![method]!({ of: queue });
    assert.deepEqual(reply, { queue: queue === "login" ? renamed : queue, body: { of: queue } });
  }
});

test("a request carries an idempotency key, an expiration, app_id and the configured headers", async () => {
  await using responder = await startResponder(["token"], () => done({ access_token: "x" }));
  let count = 0;
  const headers = () => ({ traceparent: `trace ${count++}` });
  await using auth = await connect({ url: responder.url, appId: "billing", headers });
  await auth.session.getAccessToken({ id_token: "i" }, { timeout: 5000 });
  await auth.session.getAccessToken({ id_token: "i" }, { idempotencyKey: "my key" });
  const [first, second] = responder.received.map(({ properties }) => properties);
  assert.match(first!.messageId as string, IDS);
  assert.equal(second!.messageId, "my key");
  const [short, long] = [Number(first!.expiration), Number(second!.expiration)];
  assert.ok(short > 4000 && short <= 5000, `${short} ms`);
  assert.ok(long > 9000 && long <= 10_000, `${long} ms`);
  for (const [index, properties] of [first, second].entries()) {
    assert.equal(properties!.appId, "billing");
    assert.equal(properties!.contentType, "application/json");
    assert.deepEqual(properties!.headers, { traceparent: `trace ${index}` });
    assert.match(properties!.replyTo as string, /^amq\.rabbitmq\.reply-to\./);
  }
  assert.notEqual(first!.correlationId, second!.correlationId);
});

test("503 is retried with the same idempotency key and body until another reply arrives", async () => {
  await using responder = await startResponder(["logout"], (_, index) =>
    index < 3 ? refused(503, "UNAVAILABLE") : done(),
  );
  await using auth = await connect({ url: responder.url });
  assert.deepEqual(await auth.session.logout({ id_token: "i" }), { msg: "done" });
  assert.equal(responder.received.length, 4);
  assert.equal(new Set(responder.received.map(({ properties }) => properties.messageId as string)).size, 1);
  const left = responder.received.map(({ properties }) => Number(properties.expiration));
  assert.deepEqual(
    left,
    left.toSorted((a, b) => b - a),
    "each attempt has a shorter expiration",
  );
});

test("other errors are not retried, and each has all fields of the worker's reply", async () => {
  const fields = [{ path: "email", msg: "must be a string" }];
  const refusals = [
    refused(400, "INVALID_INPUT", { fields }),
    refused(401, "INVALID_TOKEN"),
    refused(403, "FORBIDDEN"),
    refused(404, "USER_NOT_FOUND"),
    refused(409, "IDEMPOTENCY_CONFLICT"),
    refused(413, "REQUEST_TOO_LARGE"),
    refused(429, "TOO_MANY_ATTEMPTS", { retry_after: 7 }),
    refused(500, "INTERNAL", { reference: "r-1" }),
    refused(418, "SOMETHING_NEW"),
    { resp_code: 500, resp_data: "nonsense" },
  ];
  await using responder = await startResponder(["user_change"], (_, index) => refusals[index]);
  await using auth = await connect({ url: responder.url });
  const seen = [];
  while (seen.length < refusals.length) {
    const call = auth.user.change({ username: "alice", access_token: "a" });
    const error: unknown = await call.catch((reason: unknown) => reason);
    assert.ok(error instanceof AuthError, String(error));
    const { respCode, code, message, ...more } = error;
    seen.push([respCode, code, message, more.fields, more.retryAfter, more.reference]);
  }
  const none = undefined;
  assert.deepEqual(seen, [
    [400, "INVALID_INPUT", "a sentence", fields, none, none],
    [401, "INVALID_TOKEN", "a sentence", none, none, none],
    [403, "FORBIDDEN", "a sentence", none, none, none],
    [404, "USER_NOT_FOUND", "a sentence", none, none, none],
    [409, "IDEMPOTENCY_CONFLICT", "a sentence", none, none, none],
    [413, "REQUEST_TOO_LARGE", "a sentence", none, none, none],
    [429, "TOO_MANY_ATTEMPTS", "a sentence", none, 7, none],
    [500, "INTERNAL", "a sentence", none, none, "r-1"],
    [418, "SOMETHING_NEW", "a sentence", none, none, none],
    [500, "INTERNAL", "the request failed with resp_code 500", none, none, none],
  ]);
  assert.equal(responder.received.length, refusals.length);
});

test("a call without a reply times out with NO_REPLY, and a call with a 503 with that error", async () => {
  await using responder = await startResponder(["user_all", "group_all", "token"], ({ queue }) => {
    if (queue === "token") return "no reply at all";
    return queue === "group_all" ? refused(503, "UNAVAILABLE") : undefined;
  });
  await using auth = await connect({ url: responder.url });
  const request = { access_token: "a" };
  await assert.rejects(auth.user.getAll(request, { timeout: 300 }), (error) => {
    assert.ok(error instanceof NoReplyError, String(error));
    const { code, respCode, message } = error;
    assert.deepEqual([code, respCode, message], ["NO_REPLY", 504, "no reply within 300 ms"]);
    return true;
  });
  // Long enough for the first reply on a slow machine.
  await assert.rejects(auth.group.getAll(request, { timeout: 2000 }), { code: "UNAVAILABLE", respCode: 503 });
  await assert.rejects(auth.call("token", { id_token: "i" }), {
    respCode: 502,
    message: /the reply is not from authmq/,
  });
  await assert.rejects(auth.call("user_get", { username: "a" }, { timeout: 2000 }), {
    code: "NO_REPLY",
    respCode: 503,
    message: "there is no queue user_get: is a worker running?",
  });
  for (const timeout of [0, -1, Number.NaN])
    await assert.rejects(auth.user.getAll(request, { timeout }), RangeError);
});

test("a call to a missing queue is retried until the queue exists", async () => {
  await using responder = await startResponder([], () => done({ users: ["alice"] }));
  await using auth = await connect({ url: responder.url });
  const call = auth.user.getAll({ access_token: "a" });
  await sleep(100); // a failed attempt leaves no trace to wait for
  await responder.serve("user_all");
  assert.deepEqual(await call, { users: ["alice"] });
});

test("an aborted call rejects with the signal's reason, sends nothing more and leaves no timer", async () => {
  await using responder = await startResponder(["user_all", "group_all"], ({ queue }) =>
    queue === "group_all" ? refused(503, "UNAVAILABLE") : undefined,
  );
  await using auth = await connect({ url: responder.url });
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  const request = { access_token: "a" };
  const reason = new Error("the browser has gone");
  await assert.rejects(auth.user.getAll(request, { signal: AbortSignal.abort(reason) }), reason);
  assert.equal(responder.received.length, 0, "an already aborted signal sends nothing");

  const abort = new AbortController();
  const calls = Array.from({ length: 50 }, (_, index) =>
    index % 2 === 0
      ? auth.user.getAll(request, { signal: abort.signal })
      : auth.group.getAll(request, { signal: abort.signal }),
  );
  const outcomes = Promise.allSettled(calls);
  // Now half the calls wait for a reply, and the others for their next attempt.
  await waitUntil("the calls", () => responder.received.length >= calls.length);
  abort.abort(reason);
  for (const outcome of await outcomes) assert.equal(outcome.status === "rejected" && outcome.reason, reason);
  assert.equal(timers(), before);
  // A queue keeps its order: when the last request arrives, everything sent before the abort has arrived.
  const last = { access_token: "last" };
  const countOf = (token: string): number =>
    responder.received.filter(({ body }) => (body as typeof last).access_token === token).length;
  const lastCalls = [auth.user.getAll(last, { timeout: 1000 }), auth.group.getAll(last, { timeout: 1000 })];
  await waitUntil("the last requests", () => countOf("last") >= 2);
  const sent = countOf("a");
  // This takes longer than the delay between two attempts.
  await Promise.allSettled(lastCalls);
  assert.equal(countOf("a"), sent, "nothing is sent after the abort");
});
