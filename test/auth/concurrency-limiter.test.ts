import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createConcurrencyLimiter } from "../../src/auth/concurrency-limiter.ts";
import { RequestCancelled } from "../../src/errors.ts";

const isCancelled = (): boolean => false;

/** A task that ends when the test calls its function. */
function heldTask() {
  const { promise, resolve } = Promise.withResolvers<string>();
  const state = { began: false, end: () => resolve("done") };
  const task = (): Promise<string> => {
    state.began = true;
    return promise;
  };
  return Object.assign(state, { task });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a limiter runs its number of tasks at once and the others in order", async () => {
  const limiter = createConcurrencyLimiter(2);
  const tasks = [heldTask(), heldTask(), heldTask(), heldTask()];
  const results = tasks.map(({ task }) => limiter.run(isCancelled, task));
  await turn();
  assert.deepEqual(
    tasks.map(({ began }) => began),
    [true, true, false, false],
  );
  tasks[1]!.end();
  await results[1];
  await turn();
  assert.deepEqual(
    tasks.map(({ began }) => began),
    [true, true, true, false],
  );
  for (const { end } of tasks) end();
  assert.deepEqual(await Promise.all(results), Array(4).fill("done"));
});

test("a task that is cancelled while it waits does not run, and the next task runs", async () => {
  const limiter = createConcurrencyLimiter(1);
  const [first, second, third] = [heldTask(), heldTask(), heldTask()];
  const results = [
    limiter.run(isCancelled, first.task),
    limiter.run(() => true, second.task),
    limiter.run(isCancelled, third.task),
  ];
  first.end();
  await assert.rejects(results[1]!, RequestCancelled);
  third.end();
  await Promise.all([results[0], results[2]]);
  assert.equal(second.began, false);
});

describe("a limiter with stallTimeout", () => {
  const stallTimeout = { limit: 50, giveUp: () => new Error("no stallTimeout") };

  test("rejects waiting and new tasks if no task starts or ends, but not the running task", async () => {
    const limiter = createConcurrencyLimiter(1, stallTimeout);
    const running = heldTask();
    const result = limiter.run(isCancelled, running.task);
    const waiting = [heldTask(), heldTask()];
    await Promise.all(
      waiting.map(({ task }) => assert.rejects(limiter.run(isCancelled, task), /no stallTimeout/)),
    );
    await assert.rejects(limiter.run(isCancelled, heldTask().task), /no stallTimeout/);
    assert.deepEqual(
      waiting.map(({ began }) => began),
      [false, false],
    );
    running.end();
    assert.equal(await result, "done");
    assert.equal(await limiter.run(isCancelled, async () => "goes on"), "goes on");
  });

  test("rejects no task as long as tasks start and end", async () => {
    const limiter = createConcurrencyLimiter(1, stallTimeout);
    const slow = () =>
      limiter.run(isCancelled, () => new Promise<number>((resolve) => setTimeout(resolve, 20, 1)));
    assert.deepEqual(await Promise.all(Array.from({ length: 8 }, slow)), Array(8).fill(1));
  });
});
