import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { queueNames } from "../../src/config/queues.ts";
import { type Drop, type Flooder, startFlooder } from "./flood.ts";
import { type LoneWorker, startLoneWorker } from "./lone-worker.ts";

const KILOBYTE = 1024;
const MEGABYTE = 1024 * KILOBYTE;

/**
 * Maximum growth of a worker's memory during a flood, in megabytes. Measured on two busy cores: it starts with 140, and
 * its first flood adds up to 240, because V8 lets its heap grow before it collects. A later flood adds 2 to 140, and
 * the worker never exceeded 490. Every flood is larger than this bound, so a worker that kept requests or replies would
 * exceed it.
 */
const BOUND = 250;

/** Size of the smallest flood, in megabytes. */
const VOLUME = 300;

/** Memory is read from /proc. */
const OPTIONS = { timeout: 300_000, skip: process.platform !== "linux" };
const QUEUES = queueNames();
const ALICE = { username: "alice", password: "correct horse" };

/** Enough usernames for a reply of 100 kilobytes. */
const CROWD = Array.from(
  { length: 3000 },
  (_, index) => `one-of-the-crowd-${String(index).padStart(8, "0")}`,
);

/** JSON of exactly this size that contains these fields. */
function padded(fields: object, size: number): string {
  const start = JSON.stringify({ ...fields, padding: "" }).slice(0, -2);
  return `${start}${"p".repeat(size - start.length - 2)}"}`;
}

function* times(count: number, make: (index: number) => Drop): Iterable<Drop> {
  for (let index = 0; index < count; index++) yield make(index);
}

const queueOf = (index: number): string => QUEUES[index % QUEUES.length]!;

/** Invalid requests of 64 KiB to all queues. */
function invalidRequests(count: number): Iterable<Drop> {
  const fields = { username: 1, groupname: [], id_token: {}, access_token: "x" };
  return times(count, (index) => ({ queue: queueOf(index), body: padded(fields, 64 * KILOBYTE) }));
}

/** Empty requests to all queues, with headers of 60 kB. */
function largeHeaders(count: number): Iterable<Drop> {
  const texts = Array.from({ length: 12 }, (_, index) => [`x-${index}`, "h".repeat(5000)]);
  const properties = { headers: Object.fromEntries(texts) as object };
  return times(count, (index) => ({ queue: queueOf(index), body: "{}", properties }));
}

describe("the memory of a worker stays bounded", OPTIONS, () => {
  let worker: LoneWorker;
  before(async () => {
    worker = await startLoneWorker({
      appConfig: { bcrypt_cost: 4 },
      users: { [ALICE.username]: ALICE.password },
      others: CROWD,
    });
    await using flooder = await startFlooder(worker.url);
    await flooder.send(invalidRequests(2000));
    await flooder.send(largeHeaders(2000));
    await flooder.receivedReplies(4000);
  });
  after(() => worker[Symbol.asyncDispose]());

  async function assertServes(): Promise<void> {
    const login = await worker.call("login", ALICE);
    assert.equal(login.resp_code, 200);
    const token = await worker.call("token", { id_token: login.resp_data["id_token"] });
    assert.equal(token.resp_code, 200);
  }

  /** Sends a flood, and asserts that it gets its replies and that the memory of the worker stays within the bound. */
  async function surviveFlood(
    flooder: Flooder,
    drops: Iterable<Drop>,
    { replies, volume = VOLUME, bound = BOUND }: { replies: number; volume?: number; bound?: number },
  ): Promise<number> {
    worker.forgetPeak();
    const held = worker.memory.now;
    const sent = (await flooder.send(drops)) / MEGABYTE;
    assert.ok(sent >= volume, `only ${sent} MB`);
    if (replies > 0) await flooder.receivedReplies(replies);
    await assertServes();
    const grown = worker.memory.peak - held;
    assert.ok(grown < bound, `it held ${held} MB, and ${grown} more in a flood of ${sent}`);
    return grown;
  }

  test("while every queue gets invalid requests of 64 KiB", OPTIONS, async (context) => {
    await using flooder = await startFlooder(worker.url);
    const count = 5000;
    const grown = await surviveFlood(flooder, invalidRequests(count), { replies: count });
    context.diagnostic(`${Math.round(grown)} MB more`);
    // jwks ignores the request, and second factors are off.
    assert.deepEqual([...flooder.replies.keys()].toSorted(), [200, 400, 401, 403]);
  });

  for (const [size, count] of [
    [1, 320],
    [4, 80],
    [16, 32],
  ] as const) {
    test(`while it gets requests of ${size} MiB, all of them too large`, OPTIONS, async (context) => {
      await using flooder = await startFlooder(worker.url);
      const body = Buffer.alloc(size * MEGABYTE, "{");
      const drops = times(count, (index) => ({ queue: queueOf(index), body }));
      const grown = await surviveFlood(flooder, drops, { replies: count });
      context.diagnostic(`${Math.round(grown)} MB more`);
      assert.deepEqual([...flooder.replies], [[413, count]]);
    });
  }

  test("while thousands of unknown usernames log in from as many addresses", OPTIONS, async (context) => {
    await using flooder = await startFlooder(worker.url);
    const count = 2000;
    const drops = times(count, (index) => {
      const login = {
        username: `unknown-${index}`,
        password: "x",
        ip: `10.0.${index >> 8}.${index & 255}`,
      };
      return { queue: "login", body: padded(login, 60 * KILOBYTE) };
    });
    // A smaller bound: the worker may keep state for each name, at most 32 KiB.
    const limits = { replies: count, volume: 110, bound: 64 };
    context.diagnostic(`${Math.round(await surviveFlood(flooder, drops, limits))} MB more`);
    assert.deepEqual([...flooder.replies], [[401, count]]);
  });

  test("while requests come with headers of 60 kB", OPTIONS, async (context) => {
    await using flooder = await startFlooder(worker.url);
    const count = 5500; // 330 MB of headers
    const grown = await surviveFlood(flooder, largeHeaders(count), { replies: count, volume: 0 });
    context.diagnostic(`${Math.round(grown)} MB more`);
  });

  test("while the caller does not read its large replies", OPTIONS, async (context) => {
    await using flooder = await startFlooder(worker.url, { reads: false });
    // A direct-reply-to consumer whose socket is not read: the broker forwards replies to it immediately.
    await using deaf = await startFlooder(worker.url, { reads: false });
    await deaf.channel.consume("amq.rabbitmq.reply-to", () => undefined, { noAck: true });
    const access_token = await worker.accessToken("alice");
    const body = JSON.stringify({ access_token });
    const { resp_data } = await worker.call("user_all", { access_token });
    const each = JSON.stringify(resp_data).length;
    const count = Math.ceil((VOLUME * MEGABYTE) / each);
    worker.forgetPeak();
    const held = worker.memory.now;
    await deaf.send(
      times(200, () => ({ queue: "user_all", body, properties: { replyTo: "amq.rabbitmq.reply-to" } })),
    );
    (deaf.channel.connection as unknown as { stream: Socket }).stream.pause();
    await flooder.send(times(count, () => ({ queue: "user_all", body })));
    await flooder.unreadReplies(count);
    const grown = worker.memory.peak - held;
    context.diagnostic(`${Math.round(grown)} MB more, with ${count} replies of ${each} bytes`);
    assert.ok(grown < BOUND, `it held ${held} MB, and ${grown} more`);
    await assertServes();
  });

  test("after all floods", (context) => {
    context.diagnostic(`${Math.round(worker.memory.now)} MB`);
    // More than two gigabytes in total: V8 and the allocator reuse the memory of earlier floods.
    assert.ok(worker.memory.now < 3 * BOUND, `it holds ${worker.memory.now} MB`);
  });
});
