import assert from "node:assert/strict";
import { test } from "node:test";
import { createRequire } from "node:module";
import type { EventContext } from "rhea";
import { callManagement } from "../support/rabbitmq.ts";
import { startExample } from "../support/example.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

/** The used part of rhea, without its `any`. */
interface Rhea extends Pick<typeof import("rhea"), "create_container"> {
  readonly message: { data_section(bytes: Buffer): unknown };
  readonly types: Readonly<Record<"wrap_binary" | "wrap_ulong" | "wrap_uuid", (value: unknown) => unknown>>;
}

// rhea is a CommonJS package.
const { create_container, message, types } = createRequire(import.meta.url)("rhea") as Rhea;

const { rabbitmq_version: version } = (await callManagement("GET", "overview")) as {
  rabbitmq_version: string;
};
const isOld = Number.parseInt(version, 10) < 4;
const skip = isOld ? `RabbitMQ ${version} has no native AMQP 1.0: this test needs RabbitMQ 4` : false;

const REPLIES = "replies.of.1-0";

test("the example of an AMQP 1.0 caller receives its replies", { skip }, async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "nine lanterns at dusk");
  await using raw = await connectRaw(worker.url);
  await raw.channel.assertQueue(REPLIES, { durable: true });
  await using example = await startExample(worker, "amqp-1.0/caller.ts", {
    AMQP_URL: worker.url,
    REPLY_QUEUE: REPLIES,
  });
  await waitUntil("both replies", () => example.output.split("\n").length > 2);
  const [jwks, user] = example.output.split("\n").map((line) => line && (JSON.parse(line) as object));
  assert.partialDeepStrictEqual(jwks, { resp_code: 200 });
  assert.partialDeepStrictEqual(user, { resp_code: 200, resp_data: { username: "alice" } });
});

test("each type of message id is returned as far as RabbitMQ keeps it, for each form of a body", {
  skip,
}, async () => {
  await using worker = await startWorker();
  await using raw = await connectRaw(worker.url);
  await raw.channel.assertQueue(REPLIES, { durable: true });
  await using caller = await connectCaller(worker);
  const uuid = Buffer.from("00112233445566778899aabbccddeeff", "hex");
  const bytes = Buffer.from([0, 255, 1]);
  const data = message.data_section(Buffer.from("{}"));
  for (const [sent, expected] of [
    [{ message_id: "text", body: "{}" }, "text"],
    [{ message_id: "text", body: data }, "text"],
    [{ message_id: "text", body: types.wrap_binary(Buffer.from("{}")) }, "text"],
    [{ message_id: types.wrap_uuid(uuid), body: data }, uuid],
    // RabbitMQ converts numbers for AMQP 0-9-1 consumers to digits, without their type.
    [{ message_id: types.wrap_ulong(7), body: data }, "7"],
    [{ message_id: "m", correlation_id: types.wrap_uuid(uuid), body: data }, uuid],
  ] as const) {
    const { message: reply } = await caller.ask({ ...sent, reply_to: `/queues/${REPLIES}` });
    assert.deepEqual(reply?.correlation_id, expected);
  }
  const { message: reply } = await caller.ask({
    message_id: types.wrap_binary(bytes),
    reply_to: `/queue/${REPLIES}`,
    body: data,
  });
  assert.deepEqual(reply?.message_annotations?.["x-correlation-id"], bytes);
});

async function connectCaller(worker: TestWorker) {
  const { hostname, port, username, password } = new URL(worker.url);
  const container = create_container();
  const connection = container.connect({
    host: hostname,
    port: Number(port),
    username,
    password,
    hostname: `vhost:${worker.vhost}`,
    reconnect: false,
  });
  const replies: EventContext[] = [];
  connection.open_receiver(`/queues/${REPLIES}`).on("message", (context: EventContext) => {
    replies.push(context);
  });
  const sender = connection.open_sender("/queues/jwks");
  await new Promise((resolve) => sender.once("sendable", resolve));
  return {
    async ask(request: object): Promise<EventContext> {
      const count = replies.length;
      sender.send(request as Parameters<typeof sender.send>[0]);
      return waitUntil("a reply", () => replies[count]);
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => connection.once("disconnected", resolve));
      connection.once("connection_close", () => connection.removeAllListeners());
      connection.close();
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 500))]);
    },
  };
}
