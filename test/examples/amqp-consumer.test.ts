import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, createSession } from "../../src/client/index.ts";
import { startExample } from "../support/example.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";

test("the example of a queue consumer accepts valid tokens, and rejects all others", async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "correct horse", { groups: ["reporters"] });
  await worker.addUser("bobby", "correct horse");
  await using auth = await connect({ url: worker.url });
  await using alice = createSession(auth, { username: "alice", password: "correct horse" });
  await using bobby = createSession(auth, { username: "bobby", password: "correct horse" });
  await using example = await startExample(worker, "amqp-consumer/consumer.ts", { AMQP_URL: worker.url });
  await using caller = await connectRaw(worker.url);
  const longList = [
    "reporters",
    ...Array.from({ length: 400 }, (_, index) => `a-long-name-of-a-group-${index}`.padEnd(50, "x")),
  ];
  const messages = [
    [{ access_token: await alice.accessToken() }, "a report for alice: sales"],
    [{ access_token: await worker.accessToken("longest", longList) }, "a report for longest: sales"],
    [{ access_token: await bobby.accessToken() }, "rejected: the user is not in the required groups"],
    [{ access_token: "nonsense" }, "rejected: the access token is not valid: it is malformed"],
    [{ access_token: { nested: true } }, "rejected: the access token is not valid: it is missing"],
    [{}, "rejected: the access token is not valid: it is missing"],
  ] as const;
  await waitUntil("the consumer", () => example.output.includes("waiting for reports") || undefined);
  for (const [headers] of messages) caller.publish("reports", "sales", { headers });
  const lines = await waitUntil("all reports", () => {
    const printed = example.output.trim().split("\n");
    return printed.length > messages.length ? printed : undefined;
  });
  assert.deepEqual(lines.toSorted(), ["waiting for reports", ...messages.map(([, line]) => line)].toSorted());
  // Rejected messages are not redelivered.
  assert.equal((await caller.channel.checkQueue("reports")).messageCount, 0);
});
