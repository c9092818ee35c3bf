import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { callManagement } from "../support/rabbitmq.ts";
import { bodyOf, connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

interface Connection {
  readonly client_properties: { readonly connection_name?: string };
}

/** The direct reply-to address of a live caller: the broker fills it in. */
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

  /** Addresses that make RabbitMQ 3.10 end the connection that publishes to them, and some that are merely odd. */
  async function crafted(): Promise<string[]> {
    const real = await realAddress(worker.url);
    const otherNode = Buffer.from(real.split(".")[3] ?? "", "base64");
    otherNode.write("x", 6);
    return [
      "amq.rabbitmq.reply-to.a.b",
      "amq.rabbitmq.reply-to.",
      "amq.rabbitmq.reply-to.g2dk.x",
      `amq.rabbitmq.reply-to.${otherNode.toString("base64")}.x`,
      real, // its caller is gone
    ];
  }

  test("takes no reply from anyone else, and the request connection stays", async () => {
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
      assert.equal(resp_code, 200, "a caller that uses direct reply-to as well");
    }
    await caller.settledReplies(`named-2-${addresses.at(-1) ?? ""}`);
    const codes = caller.replies.map((reply) => bodyOf(reply).resp_code);
    assert.deepEqual(codes, Array(3 * addresses.length).fill(200));
    assert.equal(
      worker.log.some((line) => line.includes('"purpose":"requests"')),
      false,
      "the requests' connection broke",
    );
    assert.equal(
      worker.log.some((line) => line.includes('"purpose":"replies"')),
      false,
      "the replies' connection broke",
    );
  });

  test("leaves direct reply-to callers their replies, the first one and later ones", async () => {
    for (let round = 0; round < 3; round++) {
      const { resp_code } = await worker.call("user_get", { username: "alice" });
      assert.equal(resp_code, 200);
    }
  });

  test("costs one connection more, named for the operator", async () => {
    // The broker's statistics are a few seconds old.
    const names = await waitUntil("the connections", async () => {
      const connections = (await callManagement("GET", `vhosts/${worker.vhost}/connections`)) as Connection[];
      const found = connections.map(({ client_properties }) => client_properties.connection_name);
      return found.includes("authmq first replies") ? found : undefined;
    });
    assert.ok(names.includes("authmq requests"), names.join(", "));
    assert.ok(names.includes("authmq replies"), names.join(", "));
  });
});

test("a connection for first replies that is refused comes when it is not any more", async () => {
  await using worker = await startWorker();
  const limit = `vhost-limits/${worker.vhost}/max-connections`;
  await callManagement("PUT", limit, { value: 4 }); // the client's, for requests, for replies and for events
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
