import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createLane } from "../../src/auth/lane.ts";
import { Abandoned } from "../../src/errors.ts";

const wanted = (): boolean => true;

/** A task that ends when it is told to. */
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

test("a lane runs so many tasks at once and the rest in order", async () => {
  const lane = createLane(2);
  const tasks = [heldTask(), heldTask(), heldTask(), heldTask()];
  const results = tasks.map(({ task }) => lane.run(wanted, task));
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

test("a task that nobody wants at its turn is not run, and gives its place on", async () => {
  const lane = createLane(1);
  const [first, second, third] = [heldTask(), heldTask(), heldTask()];
  const results = [
    lane.run(wanted, first.task),
    lane.run(() => false, second.task),
    lane.run(wanted, third.task),
  ];
  first.end();
  await assert.rejects(results[1]!, Abandoned);
  third.end();
  await Promise.all([results[0], results[2]]);
  assert.equal(second.began, false);
});

describe("a lane with patience", () => {
  const patience = { limit: 50, giveUp: () => new Error("no patience") };

  test("gives up those that wait when nothing moves, and newcomers at once, but not the running one", async () => {
    const lane = createLane(1, patience);
    const running = heldTask();
    const result = lane.run(wanted, running.task);
    const waiting = [heldTask(), heldTask()];
    await Promise.all(waiting.map(({ task }) => assert.rejects(lane.run(wanted, task), /no patience/)));
    await assert.rejects(lane.run(wanted, heldTask().task), /no patience/);
    assert.ok(waiting.every(({ began }) => !began));
    running.end();
    assert.equal(await result, "done");
    assert.equal(await lane.run(wanted, async () => "goes on"), "goes on");
  });

  test("waits as long as tasks begin and end, however long that takes in all", async () => {
    const lane = createLane(1, patience);
    const slow = () => lane.run(wanted, () => new Promise<number>((resolve) => setTimeout(resolve, 20, 1)));
    assert.deepEqual(await Promise.all(Array.from({ length: 8 }, slow)), Array(8).fill(1));
  });
});
