import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startFlooder } from "./flood.ts";
import { type LoneWorker, startLoneWorker } from "./lone-worker.ts";

/** Memory is read from /proc. */
const OPTIONS = { timeout: 300_000, skip: process.platform !== "linux" };
const ALICE = { username: "alice", password: "correct horse" };
const BOBBY = { username: "bobby", password: "battery staple" };

describe("slow logins", OPTIONS, () => {
  let worker: LoneWorker;
  before(async () => {
    const users = { [ALICE.username]: ALICE.password, [BOBBY.username]: BOBBY.password };
    worker = await startLoneWorker({ appConfig: { bcrypt_cost: 10 }, users });
  });
  after(() => worker[Symbol.asyncDispose]());

  test("wait in the broker, not in the worker", OPTIONS, async (context) => {
    await using flooder = await startFlooder(worker.url);
    const padding = "p".repeat(60_000);
    worker.forgetPeak();
    const held = worker.memory.now;
    // 300 MB, more than the bound. Measured: 15 to 60 MB.
    const drop = { queue: "login", body: JSON.stringify({ ...ALICE, padding }) };
    await flooder.send(Array.from({ length: 5300 }, () => drop));
    await waitUntil("a reply", () => (flooder.replies.get(200) ?? 0) > 0);
    const { messageCount } = await flooder.channel.checkQueue("login");
    assert.ok(messageCount > 1000, `only ${messageCount} wait`);
    const grown = worker.memory.peak - held;
    context.diagnostic(`${Math.round(grown)} MB more, while ${messageCount} wait`);
    assert.ok(grown < 250, `it held ${held} MB, and ${grown} more`);
    assert.equal((await worker.call("user_get", { username: "alice" })).resp_code, 200);
    await flooder.channel.purgeQueue("login");
    assert.equal((await worker.call("login", ALICE)).resp_code, 200);
  });

  test("do not delay tokens: 50 are issued before 200 logins have completed", OPTIONS, async (context) => {
    const { resp_data } = await worker.call("login", BOBBY);
    const id_token = resp_data["id_token"];
    await using caller = await connectRaw(worker.url);
    const logins = 200;
    for (let index = 0; index < logins; index++)
      caller.publish("login", JSON.stringify(ALICE), { correlationId: "login" });
    await waitUntil("the first login", () => caller.replies.length > 0, { seconds: 120 });
    const tokens = 50;
    for (let index = 0; index < tokens; index++)
      caller.publish("token", JSON.stringify({ id_token }), { correlationId: "token" });
    await waitUntil("every reply", () => caller.replies.length === logins + tokens, { seconds: 250 });
    const order = caller.replies.map(
      ({ properties }) => (properties as { correlationId?: unknown }).correlationId,
    );
    const refused = caller.replies.filter(({ content }) => !content.includes('"resp_code":200'));
    assert.deepEqual(
      refused.map(({ content }) => content.toString()),
      [],
    );
    const first = order.lastIndexOf("token") + 1 - tokens;
    context.diagnostic(`${logins - first} logins waited when the last token was issued`);
    assert.ok(first < logins / 2, `${first} logins completed before the last token`);
  });
});
