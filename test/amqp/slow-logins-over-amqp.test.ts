import assert from "node:assert/strict";
import { test } from "node:test";
import { hashesAtOnce } from "../../src/auth/password.ts";
import { createUser } from "../../src/db/queries/users.ts";
import { latestSessionOf } from "../support/session-row.ts";
import { bodyOf, connectRaw, type RawCaller } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

/** A cost at which one comparison takes about half a second on an idle machine. */
const SLOW = 13;

/** Twice that, for a busy machine. */
const VERY_SLOW = SLOW + 1;

/** Two seconds: a request that waits for longer than one second is executed only if its caller is still there. */
const SLOWEST = SLOW + 2;

/** One account per login, because logins of one account may wait for each other. */
const SLOW_NAMES = ["slow-0", "slow-1", "slow-2", "slow-3"];

/** Publishes slow logins, and waits until they fill the concurrency limit. */
async function fillLimit(worker: TestWorker, caller: RawCaller, count: number): Promise<void> {
  for (const username of SLOW_NAMES.slice(0, count))
    caller.publish("login", JSON.stringify({ username, password: "wrong" }), { correlationId: username });
  await untilDelivered(caller);
  // These later requests need as many database reads, so the logins have passed theirs when these are answered.
  for (let round = 0; round < 5; round++) await worker.call("user_get", { username: "late" });
}

/** Resolves when the worker has all logins that were published. */
async function untilDelivered(caller: RawCaller): Promise<void> {
  await waitUntil("the logins' delivery", async () => {
    const { messageCount } = await caller.channel.checkQueue("login");
    return messageCount === 0 || undefined;
  });
}

/** Four logins fill the concurrency limit and the queue's prefetch on a machine with two processors. */
async function startSlowWorker(cost = SLOW): Promise<TestWorker> {
  const worker = await startWorker();
  const [first = "", ...others] = SLOW_NAMES;
  await worker.addUser(first, "correct horse", { cost });
  const row = await worker.db
    .selectFrom("user")
    .select(["password_hash", "auth_type"])
    .executeTakeFirstOrThrow();
  for (const username of others)
    await createUser(worker.db, { ...row, username, email: `${username}@example.com`, activated: true });
  await worker.addUser("late", "correct horse");
  return worker;
}

/** The counters by queue, which the worker logs when it stops. */
async function countersOf(worker: TestWorker): Promise<Record<string, Record<string, number>>> {
  await worker.worker.stop();
  const line = worker.log.find((text) => text.includes('"msg":"stopped"'));
  return (JSON.parse(line ?? "{}") as { counters: Record<string, Record<string, number>> }).counters;
}

test("a request that expires at the concurrency limit is counted and not executed", async () => {
  await using worker = await startSlowWorker(VERY_SLOW);
  await using caller = await connectRaw(worker.url);
  await fillLimit(worker, caller, 3);
  const late = JSON.stringify({ username: "late", password: "correct horse" });
  caller.publish("login", late, { correlationId: "late", expiration: 200 });
  await waitUntil("the slow replies", () => caller.replies.length === 3 || undefined);
  const { messageCount } = await caller.channel.checkQueue("login");
  assert.equal(messageCount, 0);
  assert.equal(await latestSessionOf(worker.db, "late"), undefined);
  assert.equal(
    caller.replies.some(({ properties }) => properties.correlationId === "late"),
    false,
  );
  const { requests_expired_total, requests_abandoned_total, ...counted } = await countersOf(worker);
  assert.deepEqual([requests_expired_total, requests_abandoned_total], [{ login: 1 }, undefined]);
  assert.deepEqual(counted["requests_total"]?.["login"], { 401: 3 });
});

test("a request whose caller disconnects while it waits at the concurrency limit is not executed", async () => {
  await using worker = await startSlowWorker(SLOWEST);
  {
    await using caller = await connectRaw(worker.url);
    for (const username of SLOW_NAMES.slice(0, hashesAtOnce()))
      caller.publish("login", JSON.stringify({ username, password: "wrong" }));
    caller.publish("login", JSON.stringify({ username: "late", password: "correct horse" }));
    await untilDelivered(caller);
  }
  const { resp_code } = await worker.call("login", { username: "late", password: "wrong" });
  assert.equal(resp_code, 401, "a connected caller gets its reply");
  assert.equal(await latestSessionOf(worker.db, "late"), undefined);
  const counters = await countersOf(worker);
  const abandoned = counters["requests_abandoned_total"]?.["login"] ?? 0;
  assert.ok(abandoned >= 1, JSON.stringify(counters));
});

test("a request that has not expired is answered", async () => {
  await using worker = await startSlowWorker();
  await using caller = await connectRaw(worker.url);
  const body = JSON.stringify({ username: "late", password: "correct horse" });
  caller.publish("login", body, { correlationId: "in time", expiration: 10_000 });
  assert.equal(bodyOf(await caller.firstReply("in time")).resp_code, 200);
});

test("the worker issues tokens while logins wait at the concurrency limit", async () => {
  await using worker = await startSlowWorker(VERY_SLOW);
  await using caller = await connectRaw(worker.url);
  const id_token = await worker.login("late", "correct horse");
  await fillLimit(worker, caller, 4);
  for (let index = 0; index < 20; index++) {
    assert.equal((await worker.call("token", { id_token })).resp_code, 200);
  }
  assert.ok(caller.replies.length < 4, "the logins ended before the token requests");
});
