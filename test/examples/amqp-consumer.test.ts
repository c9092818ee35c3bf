import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, createSession } from "../../src/client/index.ts";
import { startExample } from "../support/example.ts";
import { startProxy } from "../support/proxy.ts";
import { callManagement, createVhost, deleteVhost } from "../support/rabbitmq.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";
import { through } from "../client/responder.ts";

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
  await worker.addUser("longest", "correct horse", { groups: longList });
  const messages = [
    [{ access_token: await alice.accessToken() }, "a report for alice: sales"],
    [{ access_token: await worker.ownToken("longest", "correct horse") }, "a report for longest: sales"],
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

for (const [what, reason] of [
  ["the broker closes its connection", /^reports: the broker closed the connection$/m],
  ["the network fails", /^reports: .+$/m],
  ["its queue is deleted", /^reports: the queue was deleted$/m],
] as const)
  test(`the example of a queue consumer ends with an error if ${what}`, async () => {
    await using worker = await startWorker();
    const vhost = await createVhost();
    await using proxy = await startProxy(Number(new URL(vhost.url).port));
    const AMQP_URL = through(proxy.port, vhost.url);
    await using example = await startExample(worker, "amqp-consumer/consumer.ts", { AMQP_URL });
    await waitUntil("the consumer", () => example.output.includes("waiting for reports"));
    await using caller = await connectRaw(vhost.url);
    if (what === "the network fails") proxy.cut();
    else if (what === "its queue is deleted") await caller.channel.deleteQueue("reports");
    else await closeAll(vhost.name);
    await waitUntil("the end of the example", () => example.exitCode !== null);
    assert.equal(example.exitCode, 1);
    assert.match(example.output, reason);
    await deleteVhost(vhost.name);
  });

/** Closes all connections to a vhost, as an operator does. */
async function closeAll(vhost: string): Promise<void> {
  const find = async () => (await callManagement("GET", `vhosts/${vhost}/connections`)) as { name: string }[];
  // The statistics are up to five seconds late.
  const found = await waitUntil("both connections", async () => {
    const connections = await find();
    return connections.length >= 2 ? connections : undefined;
  });
  for (const { name } of found) await callManagement("DELETE", `connections/${encodeURIComponent(name)}`);
}
