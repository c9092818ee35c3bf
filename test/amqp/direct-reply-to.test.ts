import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { callManagement } from "../support/rabbitmq.ts";
import { bodyOf, connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

interface Connection {
  readonly client_properties: { readonly connection_name?: string };
}

/** A valid direct reply-to address, which the broker fills in. Its caller has disconnected. */
async function realAddress(url: string): Promise<string> {
  await using caller = await connectRaw(url);
  const { queue } = await caller.channel.assertQueue("", { exclusive: true });
  const { promise, resolve } = Promise.withResolvers<string>();
  await caller.channel.consume(queue, (message) => resolve(String(message?.properties.replyTo)), {
    noAck: true,
  });
  await caller.channel.consume("amq.rabbitmq.reply-to", () => undefined, { noAck: true });
  caller.publish(queue, "", { replyTo: "amq.rabbitmq.reply-to" });
  return await promise;
}

describe("a crafted direct reply-to address", () => {
  let worker: TestWorker;
  before(async () => {
    worker = await startWorker();
    await worker.addUser("alice", "correct horse");
  });
  after(() => worker[Symbol.asyncDispose]());

  /** Addresses that make RabbitMQ 3.10 close the publishing connection, and other invalid ones. */
  async function crafted(): Promise<string[]> {
    const real = await realAddress(worker.url);
    const otherNode = Buffer.from(real.split(".")[3] ?? "", "base64");
    otherNode.write("x", 6);
    return [
      "amq.rabbitmq.reply-to.a.b",
      "amq.rabbitmq.reply-to.",
      "amq.rabbitmq.reply-to.g2dk.x",
      `amq.rabbitmq.reply-to.${otherNode.toString("base64")}.x`,
      real,
    ];
  }

  test("loses no other caller's reply, and the connections for requests and replies stay open", async () => {
    await using caller = await connectRaw(worker.url);
    const addresses = await crafted();
    for (let round = 0; round < 3; round++) {
      for (const replyTo of addresses) {
        caller.publish("user_get", JSON.stringify({ username: "alice" }), { replyTo });
        caller.publish("user_get", JSON.stringify({ username: "alice" }), {
          correlationId: `named-${round}-${replyTo}`,
        });
      }
      const { resp_code } = await worker.call("user_get", { username: "alice" });
      assert.equal(resp_code, 200, "another caller with direct reply-to");
    }
    await caller.settledReplies(`named-2-${addresses.at(-1) ?? ""}`);
    const codes = caller.replies.map((reply) => bodyOf(reply).resp_code);
    assert.deepEqual(codes, Array(3 * addresses.length).fill(200));
    assert.equal(
      worker.log.some((line) => line.includes('"purpose":"requests"')),
      false,
      "the connection for requests was lost",
    );
    assert.equal(
      worker.log.some((line) => line.includes('"purpose":"replies"')),
      false,
      "the connection for replies was lost",
    );
  });

  test("does not affect first and later replies to valid direct reply-to callers", async () => {
    for (let round = 0; round < 3; round++) {
      const { resp_code } = await worker.call("user_get", { username: "alice" });
      assert.equal(resp_code, 200);
    }
  });

  test("opens a third connection, named authmq first replies", async () => {
    // The broker's statistics lag a few seconds.
    const names = await waitUntil("the connections", async () => {
      const connections = (await callManagement("GET", `vhosts/${worker.vhost}/connections`)) as Connection[];
      const found = connections.map(({ client_properties }) => client_properties.connection_name);
      return found.includes("authmq first replies") ? found : undefined;
    });
    assert.ok(names.includes("authmq requests"), names.join(", "));
    assert.ok(names.includes("authmq replies"), names.join(", "));
  });
});

test("a refused connection for first replies is retried until the broker accepts it", async () => {
  await using worker = await startWorker();
  const limit = `vhost-limits/${worker.vhost}/max-connections`;
  await callManagement("PUT", limit, { value: 4 }); // for the client, requests, replies and events
  await waitUntil("the connection for events", () =>
    worker.worker.metrics.render().then((text) => /broker_connected\{purpose="events"\} 1/.test(text)),
  );
  await assert.rejects(worker.call("user_get", { username: "nobody" }, 1000), /no reply/);
  await callManagement("DELETE", limit);
  await waitUntil("a reply", () =>
    worker.call("user_get", { username: "nobody" }, 1000).then(
      ({ resp_code }) => resp_code === 404,
      () => false,
    ),
  );
});
