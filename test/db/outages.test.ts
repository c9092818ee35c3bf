import assert from "node:assert/strict";
import { test } from "node:test";
import { startProxy } from "../support/proxy.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { useOwnServer } from "./own-server.ts";
import {
  assertAllServed,
  assertAllUnavailable,
  assertInTime,
  canLogIn,
  wrongReplies,
  startServed,
} from "./requests.ts";

/** Far more than a worker's prefetch: requests queued in the broker wait for those before them. */
const MANY = 30;

const server = useOwnServer();

test("an unreachable database makes all requests 503 at once, and is used again when it is back", async () => {
  const database = await server.createDatabase();
  await using proxy = await startProxy(database.port);
  await using served = await startServed({ ...database, port: proxy.port });
  for (let round = 0; round < 2; round++) {
    proxy.cut();
    await assertAllUnavailable(served, { times: 20 });
    proxy.restore();
    await assertAllServed(served);
  }
  assert.deepEqual(wrongReplies(served), []);
});

test("a database that hangs makes all of many concurrent requests 503 within two seconds", async () => {
  const database = await server.createDatabase();
  await using proxy = await startProxy(database.port);
  await using served = await startServed(
    { ...database, port: proxy.port },
    { db_settings: { timeout_ms: 1000 } },
  );
  await assertInTime(async () => {
    proxy.hang();
    const first = await assertAllUnavailable(served, { times: MANY });
    const second = await assertAllUnavailable(served, { times: MANY });
    proxy.restore();
    await waitUntil("an answer", () => canLogIn(served), { seconds: 5 });
    await assertAllServed(served);
    return Math.max(first, second);
  });
  assert.deepEqual(wrongReplies(served), []);
});

test("connections to a database that hangs do not pile up", async () => {
  const database = await server.createDatabase();
  await using proxy = await startProxy(database.port);
  await using served = await startServed(
    { ...database, port: proxy.port },
    { db_settings: { timeout_ms: 200 } },
  );
  proxy.hang();
  for (let round = 0; round < 10; round++) await assertAllUnavailable(served, { times: 10 });
  // The pool's and the test's connections, and those that are being closed.
  assert.ok(proxy.connections <= 30, `${proxy.connections} connections`);
});

test("a frozen database server makes requests 503 within two seconds, and is used again when it resumes", async (t) => {
  const { pid } = server.database;
  if (pid === undefined) return t.skip("it runs in a container");
  await using served = await startServed(await server.createDatabase());
  await assertInTime(async () => {
    process.kill(pid, "SIGSTOP");
    try {
      return await assertAllUnavailable(served);
    } finally {
      process.kill(pid, "SIGCONT");
      await waitUntil("an answer", () => canLogIn(served), { seconds: 5 });
    }
  });
  assert.deepEqual(wrongReplies(served), []);
});

test("connections that are killed on the server cause only 503, and are replaced", async () => {
  const database = await server.createDatabase();
  await using served = await startServed(database);
  for (let round = 0; round < 5; round++) {
    const calls = served.requests.map(([queue, request]) => served.worker.call(queue, request));
    await server.killSessions(database.user);
    for (const { resp_code } of await Promise.all(calls)) {
      assert.ok([200, 204, 409, 503].includes(resp_code), `${resp_code}`);
    }
  }
  assert.deepEqual(wrongReplies(served), []);
});

test("a killed database server makes requests 503, and is used within five seconds of its restart", async () => {
  await using served = await startServed(await server.createDatabase());
  await server.database.kill();
  await assertAllUnavailable(served, { times: 20 });
  await server.database.restart();
  await waitUntil("an answer", () => canLogIn(served), { seconds: 5 });
  await assertAllServed(served);
  assert.deepEqual(wrongReplies(served), []);
});

test("a clean restart of the database server causes only 503", async (t) => {
  const { pid } = server.database;
  if (pid === undefined) return t.skip("it runs in a container");
  await using served = await startServed(await server.createDatabase());
  const codes = new Set<number>();
  let answers = 0;
  let isOver = false;
  const callers = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      for (const [queue, request] of served.requests) {
        codes.add((await served.worker.call(queue, request)).resp_code);
        answers++;
      }
    }
  });
  try {
    await waitUntil("answers", () => answers >= 20);
    process.kill(pid, "SIGTERM");
    await waitUntil("the end of the server", () => server.database.pid !== pid);
    await server.database.restart();
    await waitUntil("an answer", () => canLogIn(served), { seconds: 5 });
  } finally {
    isOver = true;
    await Promise.all(callers);
  }
  assert.deepEqual(new Set([...codes, 200, 204, 409, 503]), new Set([200, 204, 409, 503]));
  await assertAllServed(served);
  assert.deepEqual(wrongReplies(served), []);
});
