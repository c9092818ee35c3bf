import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "amqplib";
import { connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";

const LIMIT = 20;

test("a request in a quorum queue survives twenty lost workers, then the broker drops it", async () => {
  await using worker = await startWorker({ config: { amqp_settings: { queues: "quorum" } } });
  await worker.worker.stop();
  await using caller = await connectRaw(worker.url);
  caller.publish("user_get", "{}", { correlationId: "poison" });
  const isEmpty = async (): Promise<boolean> =>
    (await caller.channel.checkQueue("user_get")).messageCount === 0;
  await waitUntil("the request in the queue", async () => !(await isEmpty()) || undefined);
  let deliveries = 0;
  while (deliveries <= LIMIT + 5 && (await takeAndLose(worker.url))) deliveries++;
  // The first delivery does not count.
  assert.equal(deliveries, LIMIT + 1);
  assert.equal(await isEmpty(), true);
});

/** Takes a message like a worker that crashes during its request; false if there is none. */
async function takeAndLose(url: string): Promise<boolean> {
  const connection = await connect(url);
  connection.on("error", () => undefined);
  const channel = await connection.createChannel();
  // A lost message is not in the queue again at once.
  const found = await waitUntil("a message or an empty queue", async () => {
    const message = await channel.get("user_get");
    if (message !== false) return "message";
    const { messageCount } = await channel.checkQueue("user_get");
    return messageCount === 0 ? "none" : undefined;
  });
  await connection.close();
  return found === "message";
}
