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

/** Far more of each than a worker takes at a time: who waits in the broker waits for those before, too. */
const MANY = 30;

const server = useOwnServer();

test("a database that is cut off is 503 at once for everybody, and is used again when it is back", async () => {
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

test("a database that hangs is 503 within two seconds for every one of many callers at once", async () => {
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

test("connections to a hung database do not pile up", async () => {
  const database = await server.createDatabase();
  await using proxy = await startProxy(database.port);
  await using served = await startServed(
    { ...database, port: proxy.port },
    { db_settings: { timeout_ms: 200 } },
  );
  proxy.hang();
  for (let round = 0; round < 10; round++) await assertAllUnavailable(served, { times: 10 });
  // The pool's, the test's own, and those that are just being closed.
  assert.ok(proxy.connections <= 30, `${proxy.connections} connections`);
});

test("a server that stops in its work is 503 within two seconds, and is used again when it goes on", async (t) => {
  const { pid } = server.mariadb;
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

test("connections that are killed on the server are 503 at most, and replaced", async () => {
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

test("a server that is killed is 503, and is used within five seconds of its return", async () => {
  await using served = await startServed(await server.createDatabase());
  await server.mariadb.kill();
  await assertAllUnavailable(served, { times: 20 });
  await server.mariadb.restart();
  await waitUntil("an answer", () => canLogIn(served), { seconds: 5 });
  await assertAllServed(served);
  assert.deepEqual(wrongReplies(served), []);
});

test("requests while a server is shut down in order and started again are 503 at most", async (t) => {
  const { pid } = server.mariadb;
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
    await waitUntil("the end of the server", () => server.mariadb.pid !== pid);
    await server.mariadb.restart();
    await waitUntil("an answer", () => canLogIn(served), { seconds: 5 });
  } finally {
    isOver = true;
    await Promise.all(callers);
  }
  assert.deepEqual(new Set([...codes, 200, 204, 409, 503]), new Set([200, 204, 409, 503]));
  await assertAllServed(served);
  assert.deepEqual(wrongReplies(served), []);
});
