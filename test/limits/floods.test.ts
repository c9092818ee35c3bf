import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { queueNames } from "../../src/config/queues.ts";
import { type Drop, type Flooder, startFlooder } from "./flood.ts";
import { type LoneWorker, startLoneWorker } from "./lone-worker.ts";

const KILOBYTE = 1024;
const MEGABYTE = 1024 * KILOBYTE;

/**
 * A worker may hold so many megabytes more during a flood than before it. Measured on two busy cores: it begins with 140,
 * and its first flood adds up to 240, because V8 lets its heap grow before it collects. A later one adds 2 to 140, and
 * the worker has never held more than 490. Every flood brings more than this bound, so a worker that kept what it
 * is sent, or what it answers, would break it.
 */
const BOUND = 250;

/** What the smallest flood brings. */
const VOLUME = 300;

/** Memory is read from /proc. */
const OPTIONS = { timeout: 300_000, skip: process.platform !== "linux" };
const QUEUES = queueNames();
const ALICE = { username: "alice", password: "correct horse" };

/** So many that a list of them is a reply of 100 kilobytes. */
const CROWD = Array.from(
  { length: 3000 },
  (_, index) => `one-of-the-crowd-${String(index).padStart(8, "0")}`,
);

/** JSON of just this size, with these fields in it. */
function padded(fields: object, size: number): string {
  const start = JSON.stringify({ ...fields, padding: "" }).slice(0, -2);
  return `${start}${"p".repeat(size - start.length - 2)}"}`;
}

function* repeat(count: number, make: (index: number) => Drop): Iterable<Drop> {
  for (let index = 0; index < count; index++) yield make(index);
}

const queueOf = (index: number): string => QUEUES[index % QUEUES.length]!;

/** Requests to all queues, of 64 KiB, in which nothing is as it should be. */
function invalidRequests(count: number): Iterable<Drop> {
  const fields = { username: 1, groupname: [], id_token: {}, access_token: "x" };
  return repeat(count, (index) => ({ queue: queueOf(index), body: padded(fields, 64 * KILOBYTE) }));
}

/** Empty requests to all queues, with headers of 60 kB. */
function largeHeaders(count: number): Iterable<Drop> {
  const texts = Array.from({ length: 12 }, (_, index) => [`x-${index}`, "h".repeat(5000)]);
  const properties = { headers: Object.fromEntries(texts) as object };
  return repeat(count, (index) => ({ queue: queueOf(index), body: "{}", properties }));
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
    await flooder.answered(4000);
  });
  after(() => worker[Symbol.asyncDispose]());

  async function assertServes(): Promise<void> {
    const login = await worker.call("login", ALICE);
    assert.equal(login.resp_code, 200);
    const token = await worker.call("token", { id_token: login.resp_data["id_token"] });
    assert.equal(token.resp_code, 200);
  }

  /** Sends a flood, and asserts that it is answered and that the worker has let go of it. */
  async function endure(
    flooder: Flooder,
    drops: Iterable<Drop>,
    { replies, volume = VOLUME, bound = BOUND }: { replies: number; volume?: number; bound?: number },
  ): Promise<number> {
    worker.forgetPeak();
    const held = worker.memory.now;
    const sent = (await flooder.send(drops)) / MEGABYTE;
    assert.ok(sent >= volume, `only ${sent} MB`);
    if (replies > 0) await flooder.answered(replies);
    await assertServes();
    const grown = worker.memory.peak - held;
    assert.ok(grown < bound, `it held ${held} MB, and ${grown} more in a flood of ${sent}`);
    return grown;
  }

  test("while every queue gets invalid requests of 64 KiB", OPTIONS, async (context) => {
    await using flooder = await startFlooder(worker.url);
    const count = 5000;
    const grown = await endure(flooder, invalidRequests(count), { replies: count });
    context.diagnostic(`${Math.round(grown)} MB more`);
    // jwks looks at nothing in a request.
    assert.deepEqual([...flooder.answers.keys()].toSorted(), [200, 400, 401]);
  });

  for (const [size, count] of [
    [1, 320],
    [4, 80],
    [16, 32],
  ] as const) {
    test(`while it gets requests of ${size} MiB, all of them too large`, OPTIONS, async (context) => {
      await using flooder = await startFlooder(worker.url);
      const body = Buffer.alloc(size * MEGABYTE, "{");
      const drops = repeat(count, (index) => ({ queue: queueOf(index), body }));
      const grown = await endure(flooder, drops, { replies: count });
      context.diagnostic(`${Math.round(grown)} MB more`);
      assert.deepEqual([...flooder.answers], [[413, count]]);
    });
  }

  test("while thousands of names that nobody has log in from as many addresses", OPTIONS, async (context) => {
    await using flooder = await startFlooder(worker.url);
    const count = 2000;
    const drops = repeat(count, (index) => {
      const login = {
        username: `unknown-${index}`,
        password: "x",
        ip: `10.0.${index >> 8}.${index & 255}`,
      };
      return { queue: "login", body: padded(login, 60 * KILOBYTE) };
    });
    // A smaller bound, because it may remember something of each name: 32 KiB at most.
    const limits = { replies: count, volume: 110, bound: 64 };
    context.diagnostic(`${Math.round(await endure(flooder, drops, limits))} MB more`);
    assert.deepEqual([...flooder.answers], [[401, count]]);
  });

  test("while requests come with headers of 60 kB", OPTIONS, async (context) => {
    await using flooder = await startFlooder(worker.url);
    const count = 5500; // 330 MB, which are not in the bodies
    const grown = await endure(flooder, largeHeaders(count), { replies: count, volume: 0 });
    context.diagnostic(`${Math.round(grown)} MB more`);
  });

  test("while nobody fetches the replies, and none of them is small", OPTIONS, async (context) => {
    await using flooder = await startFlooder(worker.url, { reads: false });
    // A connection whose socket is not read, to which the broker passes replies on as they come.
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
      repeat(200, () => ({ queue: "user_all", body, properties: { replyTo: "amq.rabbitmq.reply-to" } })),
    );
    (deaf.channel.connection as unknown as { stream: Socket }).stream.pause();
    await flooder.send(repeat(count, () => ({ queue: "user_all", body })));
    await flooder.filled(count);
    const grown = worker.memory.peak - held;
    context.diagnostic(`${Math.round(grown)} MB more, with ${count} replies of ${each} bytes`);
    assert.ok(grown < BOUND, `it held ${held} MB, and ${grown} more`);
    await assertServes();
  });

  test("over all of it", (context) => {
    context.diagnostic(`${Math.round(worker.memory.now)} MB`);
    // More than two gigabytes; what V8 and the allocator keep of one flood serves for the next one.
    assert.ok(worker.memory.now < 3 * BOUND, `it holds ${worker.memory.now} MB`);
  });
});
