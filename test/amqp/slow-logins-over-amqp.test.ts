import assert from "node:assert/strict";
import { test } from "node:test";
import { findIdTokenOf } from "../../src/db/queries/id-tokens.ts";
import { createUser } from "../../src/db/queries/users.ts";
import { bodyOf, connectRaw, type RawCaller } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

/** A cost at which one comparison keeps a lane busy for about half a second, on a quiet machine. */
const SLOW = 13;

/** Twice that: three of them make a wait after which the worker checks that the caller is there, and none that times out. */
const VERY_SLOW = SLOW + 1;

/** One for each login, because those of one account may wait for each other elsewhere. */
const SLOW_NAMES = ["slow-0", "slow-1", "slow-2", "slow-3"];

/** Publishes so many slow logins, and waits until they stand in the lane. */
async function fillLane(worker: TestWorker, caller: RawCaller, count: number): Promise<void> {
  for (const username of SLOW_NAMES.slice(0, count))
    caller.publish("login", JSON.stringify({ username, password: "wrong" }), { correlationId: username });
  await waitUntil("the slow logins' delivery", async () => {
    const { messageCount } = await caller.channel.checkQueue("login");
    return messageCount === 0 || undefined;
  });
  // What asks the database as often as they do, and after them, is answered after they have been.
  for (let round = 0; round < 5; round++) await worker.call("user_get", { username: "late" });
}

/** Four logins fill the lane and the queue's prefetch on any machine with two processors. */
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

/** What the worker counted by queue, which it logs when it stops. */
async function countersOf(worker: TestWorker): Promise<Record<string, Record<string, number>>> {
  await worker.worker.stop();
  const line = worker.log.find((text) => text.includes('"msg":"stopped"'));
  return (JSON.parse(line ?? "{}") as { counters: Record<string, Record<string, number>> }).counters;
}

test("a request whose expiration passes while it waits for the lane is counted and not executed", async () => {
  await using worker = await startSlowWorker();
  await using caller = await connectRaw(worker.url);
  await fillLane(worker, caller, 3);
  const late = JSON.stringify({ username: "late", password: "correct horse" });
  caller.publish("login", late, { correlationId: "late", expiration: 200 });
  await waitUntil("the slow replies", () => caller.replies.length === 3 || undefined);
  const { messageCount } = await caller.channel.checkQueue("login");
  assert.equal(messageCount, 0);
  assert.equal(await findIdTokenOf(worker.db, "late"), undefined);
  assert.equal(
    caller.replies.some(({ properties }) => properties.correlationId === "late"),
    false,
  );
  const { requests_expired_total, requests_abandoned_total, ...counted } = await countersOf(worker);
  assert.deepEqual([requests_expired_total, requests_abandoned_total], [{ login: 1 }, undefined]);
  assert.deepEqual(counted["requests_total"]?.["login"], { 401: 3 });
});

test("a request whose caller left while it waited for the lane is counted and not executed", async () => {
  await using worker = await startSlowWorker(VERY_SLOW);
  {
    await using caller = await connectRaw(worker.url);
    await fillLane(worker, caller, 3);
    caller.publish("login", JSON.stringify({ username: "late", password: "correct horse" }));
    // The broker has them all once it answers on the same channel.
    await caller.channel.checkQueue("login");
  }
  const { resp_code } = await worker.call("login", { username: "late", password: "wrong" });
  assert.equal(resp_code, 401, "a caller that is there is answered");
  assert.equal(await findIdTokenOf(worker.db, "late"), undefined);
  const counters = await countersOf(worker);
  const abandoned = counters["requests_abandoned_total"]?.["login"] ?? 0;
  assert.ok(abandoned >= 1, JSON.stringify(counters));
});

test("an expiration that has not passed changes nothing", async () => {
  await using worker = await startSlowWorker();
  await using caller = await connectRaw(worker.url);
  const body = JSON.stringify({ username: "late", password: "correct horse" });
  caller.publish("login", body, { correlationId: "in time", expiration: 10_000 });
  assert.equal(bodyOf(await caller.firstReply("in time")).resp_code, 200);
});

test("tokens are handed out while logins wait for the lane", async () => {
  await using worker = await startSlowWorker();
  await using caller = await connectRaw(worker.url);
  const id_token = await worker.login("late", "correct horse");
  await fillLane(worker, caller, 4);
  for (let index = 0; index < 20; index++) {
    assert.equal((await worker.call("token", { id_token })).resp_code, 200);
  }
  assert.ok(caller.replies.length < 4, "the logins were over before the tokens");
});
