import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { createDeadlines, type Deadline } from "../../src/rpc/deadline.ts";

const isLate = { code: "UNAVAILABLE" };

test("work that is in time gives its result", async () => {
  assert.equal(await createDeadlines(60_000).run(async () => "done"), "done");
  await assert.rejects(
    createDeadlines(60_000).run(() => Promise.reject(new Error("its own fault"))),
    /its own fault/,
  );
});

test("work that takes too long is given up, and can have no effect any more", async () => {
  const { promise: theDeadline, resolve } = Promise.withResolvers<Deadline>();
  const late = createDeadlines(20).run(async (deadline) => {
    resolve(deadline);
    return new Promise<never>(() => undefined);
  });
  await assert.rejects(late, isLate);
  const deadline = await theDeadline;
  assert.equal(deadline.isOver, true);
  assert.throws(() => deadline.beginCommit(), isLate);
});

test("after an effect nothing is given up any more", async () => {
  const result = await createDeadlines(20).run(async (deadline) => {
    deadline.beginCommit();
    deadline.endCommit(true);
    await sleep(40); // nothing tells that this time is over
    return "done";
  });
  assert.equal(result, "done");
});

test("an effect that did not become real may be given up", async () => {
  const late = createDeadlines(20).run(async (deadline) => {
    deadline.beginCommit();
    deadline.endCommit(false);
    return new Promise<never>(() => undefined);
  });
  await assert.rejects(late, isLate);
});

test("an effect that the database is just making is waited for", async () => {
  const result = await createDeadlines(20).run(async (deadline) => {
    deadline.beginCommit();
    await sleep(40); // longer than it has
    deadline.endCommit(true);
    return deadline.isOver ? "late, and done" : "in time";
  });
  assert.equal(result, "late, and done");
});
