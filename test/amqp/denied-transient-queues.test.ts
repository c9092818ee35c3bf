import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { type ChannelModel, connect as connectAmqp } from "amqplib";
import { connect } from "../../src/client/index.ts";
import { isBroker } from "../support/broker-version.ts";
import { folderWith, runCli, startCli } from "../support/cli.ts";
import { diagnose } from "../support/doctor.ts";
import { listenForEvents } from "../support/event-listener.ts";
import { startRabbitMq } from "../support/servers/rabbitmq.ts";
import { Scratch, waitUntil } from "../support/servers/scratch.ts";
import { isContainer } from "../support/servers/sources.ts";
import { provision } from "../support/worker.ts";

const skip = isContainer("rabbitmq")
  ? "a container cannot be configured"
  : !isBroker(4, 0) && "RabbitMQ 3 cannot deny transient queues";

test("authmq needs no transient non-exclusive queue", { skip }, async () => {
  await using resources = new AsyncDisposableStack();
  const scratch = new Scratch();
  resources.defer(() => scratch.close());
  const denial = "deprecated_features.permit.transient_nonexcl_queues = false\n";
  const { host, port, url } = await startRabbitMq(scratch, { files: { "denial.conf": denial } });
  await assertDenied(url);
  const { username, password } = new URL(url);
  const { raw, cleanUp } = await provision({
    config: {
      amqp_settings: { host, port, username, password, vhost: "/" },
      app_config: { allow_registration: true },
      log_settings: { level: "info", handler: "amqp", handler_settings: { exchange: "amq.topic" } },
    },
  });
  resources.defer(cleanUp);
  await using events = await listenForEvents(url);
  const cwd = folderWith(raw);
  const worker = startCli(["serve", "--migrate"], { cwd });
  resources.defer(() => void worker.kill("SIGKILL"));
  let ready = "";
  worker.stderr.on("data", (chunk: Buffer) => (ready += chunk.toString()));
  await waitUntil("the worker", () => ready.includes("ready") || undefined, {
    died: () => (worker.exitCode === null ? undefined : ready),
  });
  const { lines, connection } = await followLog(url, "amq.topic");
  resources.defer(() => connection.close());

  await using client = await connect({ url });
  const registered = { username: "alice", password: "correct horse", password_confirm: "correct horse" };
  await client.user.register({ ...registered, email: "alice@example.com" });
  const { type } = (await events.first("user.created", "alice")).body;
  assert.equal(type, "user.created");
  const called = await runCli(["call", "user_get", JSON.stringify({ username: "alice" })], { cwd });
  assert.equal(called.code, 0, called.stdout + called.stderr);
  const measured = await runCli(["bench", "user_get", '{"username":"alice"}', "-n", "20"], { cwd });
  assert.equal(measured.code, 0, measured.stderr);
  await waitUntil("the log of the requests", () => lines.length >= 22 || undefined);
  const diagnosis = await diagnose(raw);
  assert.match(diagnosis.of("broker"), /^ok: RabbitMQ .*\nok: \d+ queues, each with a worker$/);

  const exited = once(worker, "exit");
  worker.kill("SIGTERM");
  assert.deepEqual(await exited, [0, null]);
});

/** The broker closes the connection of a client that declares such a queue. */
async function assertDenied(url: string): Promise<void> {
  const connection = await connectAmqp(url);
  const failed = new Promise((resolve) => connection.once("error", resolve));
  const channel = await connection.createChannel();
  channel.on("error", () => undefined);
  await assert.rejects(channel.assertQueue("transient", { durable: false }));
  assert.match(String(await failed), /transient_nonexcl_queues/);
}

/** The log lines that the exchange publishes from now on. */
async function followLog(
  url: string,
  exchange: string,
): Promise<{ lines: readonly string[]; connection: ChannelModel }> {
  const connection = await connectAmqp(url);
  connection.on("error", () => undefined);
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.bindQueue(queue, exchange, "#");
  const lines: string[] = [];
  await channel.consume(queue, (message) => message !== null && lines.push(message.content.toString()), {
    noAck: true,
  });
  return { lines, connection };
}
