import assert from "node:assert/strict";
import { test } from "node:test";
import { keepConnected } from "../../src/wire/keep-connected.ts";

type Turn = "refused" | "away" | "lost" | "open";

/** Runs the loop with one scripted outcome per attempt, until the script ends. */
async function run(script: readonly Turn[]) {
  const ended = new AbortController();
  const tried: string[] = [];
  const failures: unknown[] = [];
  const losses: string[] = [];
  const times: number[] = [];
  const refused = await keepConnected({
    nodes: ["one", "two"],
    signal: ended.signal,
    open: async (node) => {
      const turn = script[tried.push(node) - 1];
      times.push(performance.now());
      if (tried.length === script.length) ended.abort();
      if (turn === "refused" || turn === "away") throw new Error(turn);
      return { lost: Promise.resolve(`${node} is gone`) };
    },
    isRefusal: (error) => error instanceof Error && error.message === "refused",
    onFailure: (_node, error) => failures.push(error),
    onLost: (_node, reason) => losses.push(reason),
  });
  return { refused, tried, failures, losses, times };
}

test("every node is tried before each pause, and pauses grow", async () => {
  const { tried, times, failures } = await run(["away", "away", "away", "away", "away"]);
  assert.deepEqual(tried, ["one", "two", "one", "two", "one"]);
  assert.equal(failures.length, 5);
  const [toSecond = 0, first = 0, , second = 0] = times
    .slice(1)
    .map((time, index) => time - (times[index] ?? 0));
  assert.ok(toSecond < 90, `${toSecond} ms`);
  assert.ok(first >= 99, `${first} ms`);
  assert.ok(second >= 199, `${second} ms`);
});

test("a refusal ends the loop only before the first connection", async () => {
  const { refused, tried, failures } = await run(["away", "refused", "open"]);
  assert.equal(refused?.node, "two");
  assert.match(String(refused.error), /refused/);
  assert.deepEqual([tried.length, failures.length], [2, 1]);
  const later = await run(["lost", "refused", "lost"]);
  assert.equal(later.refused, undefined);
  assert.deepEqual(later.losses, ["one is gone", "one is gone"]);
});

test("the signal ends a pause and the loop", async () => {
  const ended = new AbortController();
  const failed = Promise.withResolvers<undefined>();
  let attempts = 0;
  const loop = keepConnected({
    nodes: ["one"],
    signal: ended.signal,
    open: async () => {
      attempts++;
      throw new Error("away");
    },
    isRefusal: () => false,
    onFailure: () => failed.resolve(undefined),
    onLost: () => undefined,
  });
  await failed.promise; // the pause has begun
  ended.abort();
  assert.equal(await loop, undefined);
  assert.equal(attempts, 1);
});
