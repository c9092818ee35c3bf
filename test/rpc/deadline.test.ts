import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { createDeadlines, type Deadline } from "../../src/rpc/deadline.ts";

const isLate = { code: "UNAVAILABLE" };

test("work that finishes in time returns its result", async () => {
  assert.equal(await createDeadlines(60_000).run(async () => "done"), "done");
  await assert.rejects(
    createDeadlines(60_000).run(() => Promise.reject(new Error("an error of the work"))),
    /an error of the work/,
  );
});

test("work that takes too long is UNAVAILABLE, and can no longer commit", async () => {
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

test("after a commit the deadline no longer applies", async () => {
  const result = await createDeadlines(20).run(async (deadline) => {
    deadline.beginCommit();
    deadline.endCommit(true);
    await sleep(40); // longer than the deadline
    return "done";
  });
  assert.equal(result, "done");
});

test("after a failed commit the deadline still applies", async () => {
  const late = createDeadlines(20).run(async (deadline) => {
    deadline.beginCommit();
    deadline.endCommit(false);
    return new Promise<never>(() => undefined);
  });
  await assert.rejects(late, isLate);
});

test("a commit that has begun is waited for", async () => {
  const result = await createDeadlines(20).run(async (deadline) => {
    deadline.beginCommit();
    await sleep(40); // longer than the deadline
    deadline.endCommit(true);
    return deadline.isOver ? "late, but committed" : "in time";
  });
  assert.equal(result, "late, but committed");
});
