import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { createGate } from "../../src/rpc/gate.ts";

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
  const gate = createGate(60_000);
  const order: string[] = [];
  const [first, second, lonely, late] = ["first", "second", "lonely", "late"].map((name) =>
    task(name, order),
  );
  const running = [gate.beside(first!.run), gate.beside(second!.run)];
  const alone = gate.alone(lonely!.run);
  await sleep(0);
  const behind = gate.beside(late!.run);
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
  const gate = createGate(60_000);
  const order: string[] = [];
  const failing = gate.alone(async () => {
    order.push("failing");
    await sleep(5);
    throw new Error("its own fault");
  });
  const next = gate.alone(async () => order.push("next"));
  await assert.rejects(failing, /its own fault/);
  await next;
  assert.deepEqual(order, ["failing", "next"]);
  assert.equal(await gate.beside(async () => "open"), "open");
});

test("what hangs keeps neither the one that runs alone nor the others for ever", async () => {
  const gate = createGate(20);
  const hang = (): Promise<never> => new Promise(() => undefined);
  void gate.beside(hang);
  void gate.alone(hang);
  assert.equal(await gate.beside(async () => "served"), "served");
});
