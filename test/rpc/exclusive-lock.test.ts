import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { createExclusiveLock } from "../../src/rpc/exclusive-lock.ts";

/** Work that ends when it is told to. */
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

test("who runs alone waits for the others, and newcomers wait for it", async () => {
  const lock = createExclusiveLock(60_000);
  const order: string[] = [];
  const [first, second, lonely, late] = ["first", "second", "lonely", "late"].map((name) =>
    task(name, order),
  );
  const running = [lock.runShared(first!.run), lock.runShared(second!.run)];
  const alone = lock.runExclusive(lonely!.run);
  await sleep(0);
  const behind = lock.runShared(late!.run);
  await sleep(0);
  second!.end();
  first!.end();
  assert.deepEqual(await Promise.all(running), ["first", "second"]);
  await sleep(0);
  lonely!.end();
  assert.equal(await alone, "lonely");
  late!.end();
  assert.equal(await behind, "late");
  const waits = [
    "first begins",
    "second begins",
    "second ends",
    "first ends",
    "lonely begins",
    "lonely ends",
  ];
  assert.deepEqual(order.slice(0, 6), waits);
});

test("those that run alone come one after another, also after one that failed", async () => {
  const lock = createExclusiveLock(60_000);
  const order: string[] = [];
  const failing = lock.runExclusive(async () => {
    order.push("failing");
    await sleep(5);
    throw new Error("its own fault");
  });
  const next = lock.runExclusive(async () => order.push("next"));
  await assert.rejects(failing, /its own fault/);
  await next;
  assert.deepEqual(order, ["failing", "next"]);
  assert.equal(await lock.runShared(async () => "open"), "open");
});

test("what hangs keeps neither the one that runs alone nor the others for ever", async () => {
  const lock = createExclusiveLock(20);
  const hang = (): Promise<never> => new Promise(() => undefined);
  void lock.runShared(hang);
  void lock.runExclusive(hang);
  assert.equal(await lock.runShared(async () => "served"), "served");
});
