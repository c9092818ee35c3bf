import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { createExclusiveLock } from "../../src/rpc/exclusive-lock.ts";

/** Work that ends on demand. */
function task(name: string, order: string[]) {
  const { promise, resolve } = Promise.withResolvers<string>();
  return {
    run: () => {
      order.push(`${name} begins`);
      return promise;
    },
    end: () => {
      order.push(`${name} ends`);
      resolve(name);
    },
  };
}

test("exclusive work waits for running work, and blocks later work", async () => {
  const lock = createExclusiveLock(60_000);
  const order: string[] = [];
  const [first, second, exclusive, late] = ["first", "second", "exclusive", "late"].map((name) =>
    task(name, order),
  );
  const running = [lock.runShared(first!.run), lock.runShared(second!.run)];
  const alone = lock.runExclusive(exclusive!.run);
  await sleep(0);
  const behind = lock.runShared(late!.run);
  await sleep(0);
  second!.end();
  first!.end();
  assert.deepEqual(await Promise.all(running), ["first", "second"]);
  await sleep(0);
  exclusive!.end();
  assert.equal(await alone, "exclusive");
  late!.end();
  assert.equal(await behind, "late");
  const waits = [
    "first begins",
    "second begins",
    "second ends",
    "first ends",
    "exclusive begins",
    "exclusive ends",
  ];
  assert.deepEqual(order.slice(0, 6), waits);
});

test("exclusive work runs one after another, even after a failure", async () => {
  const lock = createExclusiveLock(60_000);
  const order: string[] = [];
  const failing = lock.runExclusive(async () => {
    order.push("failing");
    await sleep(5);
    throw new Error("an error of the work");
  });
  const next = lock.runExclusive(async () => order.push("next"));
  await assert.rejects(failing, /an error of the work/);
  await next;
  assert.deepEqual(order, ["failing", "next"]);
  assert.equal(await lock.runShared(async () => "open"), "open");
});

test("work that hangs does not block exclusive or shared work indefinitely", async () => {
  const lock = createExclusiveLock(20);
  const hang = (): Promise<never> => new Promise(() => undefined);
  void lock.runShared(hang);
  void lock.runExclusive(hang);
  assert.equal(await lock.runShared(async () => "served"), "served");
});
