import assert from "node:assert/strict";
import { test } from "node:test";
import type { Options } from "amqplib";
import { findQueueMismatch } from "../../src/amqp/topology.ts";
import { connectRpc } from "../../src/client/rpc-client.ts";
import { parseConfig } from "../../src/config/load.ts";
import { queueNames } from "../../src/config/queues.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createWorker } from "../../src/worker.ts";
import { isBroker } from "../support/broker-version.ts";
import { callManagement } from "../support/rabbitmq.ts";
import type { LogLine } from "../support/log-lines.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { provision, startWorker } from "../support/worker.ts";

interface ListedQueue {
  readonly name: string;
  readonly durable: boolean;
  readonly auto_delete: boolean;
  readonly arguments: Readonly<Record<string, unknown>>;
}

const PROFILES = {
  durable: { durable: true, auto_delete: false, arguments: {} },
  quorum: {
    durable: true,
    auto_delete: false,
    arguments: { "x-queue-type": "quorum", "x-delivery-limit": 20 },
  },
  transient: { durable: false, auto_delete: true, arguments: { "x-dead-letter-exchange": "rpc.dlx" } },
} as const;

/** RabbitMQ 4.3 and later refuse transient queues. */
const profiles = (["durable", "quorum", "transient"] as const).filter(
  (profile) => profile !== "transient" || !isBroker(4, 3),
);

for (const profile of profiles) {
  test(`the profile ${profile} declares every queue as documented, and two workers answer on them`, async () => {
    await using worker = await startWorker({ config: { amqp_settings: { queues: profile } } });
    await worker.startReplica();
    const listed = new Map(
      ((await callManagement("GET", `queues/${worker.vhost}`)) as ListedQueue[]).map((one) => [
        one.name,
        one,
      ]),
    );
    for (const name of queueNames()) {
      const { durable, auto_delete, arguments: args = {} } = listed.get(name) ?? {};
      // RabbitMQ 4 lists the type of a classic queue too.
      const { "x-queue-type": type, ...others } = args;
      const named = type === undefined || type === "classic" ? others : args;
      assert.deepEqual({ durable, auto_delete, arguments: named }, PROFILES[profile], name);
    }
    await using caller = await connectRaw(worker.url);
    assert.equal((await caller.channel.checkQueue("user_get")).consumerCount, 2);
    await worker.addUser("alice", "correct horse");
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => worker.call("user_get", { username: "alice" })),
    );
    assert.deepEqual([...new Set(replies.map(({ resp_code }) => resp_code))], [200]);
    assert.equal(
      (await worker.call("login", { username: "alice", password: "correct horse" })).resp_code,
      200,
    );
  });

  const lifetime = profile === "transient" ? "are deleted with" : "outlive";
  test(`waiting requests in ${profile} queues ${lifetime} the last worker`, async () => {
    await using worker = await startWorker({ config: { amqp_settings: { queues: profile } } });
    await worker.worker.stop();
    await using caller = await connectRaw(worker.url);
    if (profile === "transient") {
      await assert.rejects(caller.channel.checkQueue("user_get"), /NOT_FOUND/);
      return;
    }
    caller.publish("user_get", '{"username":"alice"}', { correlationId: "waits" });
    // RabbitMQ counts a message a little later than it accepts it.
    await waitUntil("the request in the queue", async () => {
      const { messageCount } = await caller.channel.checkQueue("user_get");
      return messageCount === 1 || undefined;
    });
    await worker.startReplica();
    assert.equal((await caller.settledReplies("waits")).length, 1);
  });
}

test("a queue has its own prefetch or the common one, and a hashing queue without its own a lower one", async () => {
  const prefetch_by_queue = { login: 300, user_get: 1 };
  await using worker = await startWorker({ config: { amqp_settings: { prefetch: 200, prefetch_by_queue } } });
  const consumers = await waitUntil("all consumers in the statistics", async () => {
    const path = `consumers/${worker.vhost}`;
    const all = (await callManagement("GET", path)) as { queue: { name: string }; prefetch_count: number }[];
    const found = new Map(all.map(({ queue, prefetch_count }) => [queue.name, prefetch_count]));
    return queueNames().every((name) => found.has(name)) ? found : undefined;
  });
  assert.deepEqual(
    ["login", "user_get", "token"].map((name) => consumers.get(name)),
    [300, 1, 200],
  );
  assert.ok((consumers.get("user_register") ?? 200) < 200, "it hashes");
});

/** Declares conflicting queues, starts a worker, and waits for one log line for each queue. */
async function startWithQueues(
  config: Record<string, Record<string, unknown>>,
  existing: Readonly<Record<string, Options.AssertQueue>>,
) {
  const { raw, vhost, cleanUp } = await provision({ config });
  const caller = await connectRaw(vhost.url);
  for (const [queue, options] of Object.entries(existing)) await caller.channel.assertQueue(queue, options);
  const settings = parseConfig(raw, { keys: true, env: {}, folder: process.cwd() });
  await migrate(settings.db);
  const log: LogLine[] = [];
  const sink = { write: (line: string) => void log.push(JSON.parse(line) as LogLine) };
  const worker = await createWorker(settings, createLogTo(sink, "info"));
  const starting = worker.start();
  const differences = await waitUntil("a line for each queue", () => {
    const lines = log.filter(({ msg }) => msg === "cannot consume the queue, trying again");
    const found = Object.keys(existing).map((name) => lines.find(({ queue }) => queue === name));
    return found.every((line) => line !== undefined) ? found : undefined;
  });
  return {
    channel: caller.channel,
    starting,
    client: await connectRpc(settings.amqp),
    /** By queue: argument, wanted, found, and the advice in the message. */
    differences: Object.fromEntries<unknown[]>(
      differences.map(({ queue, argument, wanted, found, err }) => {
        const { message } = err as { message: string };
        const difference = `${String(argument)}: wanted ${String(wanted)}, found ${String(found)}`;
        const spelled = `the queue ${String(queue)} has other properties (${difference}). `;
        assert.ok(message.startsWith(spelled), message);
        // RabbitMQ 4 reports the type of a classic queue.
        const [mine, theirs] = [wanted, found].map((value) => (value === "classic" ? "none" : value));
        return [String(queue), [argument, mine, theirs, message.slice(spelled.length)]];
      }),
    ),
    async [Symbol.asyncDispose]() {
      await this.client.close();
      await worker.stop();
      await caller[Symbol.asyncDispose]();
      await cleanUp();
    },
  };
}

const DELETE = "Delete the queue when it is empty.";

test("queues with other properties are logged with the difference, and served after they are deleted", async () => {
  const existing = {
    user_all: { durable: true, messageTtl: 5000 },
    group_all: { durable: false, arguments: { "x-dead-letter-exchange": "rpc.dlx" } },
    group_user: { durable: true, autoDelete: true },
    group_create: { durable: true, arguments: { "x-queue-type": "quorum" } },
    group_delete: { durable: true, deadLetterExchange: "it's: received 'x' but current is 'y'" },
    logout: { exclusive: true },
  };
  await using worker = await startWithQueues({}, existing);
  assert.deepEqual(worker.differences, {
    user_all: ["x-message-ttl", "none", "5000", DELETE],
    group_all: [
      "durable",
      "true",
      "false",
      "Delete the queue when it is empty, or set amqp_settings.queues to transient.",
    ],
    group_user: ["auto_delete", "false", "true", DELETE],
    group_create: [
      "x-queue-type",
      "none",
      "quorum",
      "Delete the queue when it is empty, or set amqp_settings.queues to quorum.",
    ],
    group_delete: ["x-dead-letter-exchange", "none", "it's: received 'x' but current is 'y'", DELETE],
    logout: [
      "exclusive",
      "false",
      "true",
      "Another program uses it exclusively: stop that program, or choose another name in queue_settings.",
    ],
  });
  const request = JSON.stringify({ username: "alice", groupname: "staff", id_token: "", access_token: "" });
  assert.equal((await worker.client.call("user_get", request, 15_000)).resp_code, 401);
  for (const queue of Object.keys(existing)) await worker.channel.deleteQueue(queue);
  await worker.starting;
  for (const queue of Object.keys(existing)) {
    assert.equal((await worker.client.call(queue, request, 15_000)).resp_code, 401, queue);
  }
});

test("after a change of the profile, the advice names the profile of the existing queues", async () => {
  const classic = { durable: true };
  const back = "Delete the queue when it is empty, or set amqp_settings.queues to durable.";
  {
    await using worker = await startWithQueues(
      { amqp_settings: { queues: "quorum" } },
      { user_all: classic },
    );
    assert.deepEqual(worker.differences, { user_all: ["x-queue-type", "quorum", "none", back] });
  }
  await using worker = await startWithQueues(
    { amqp_settings: { queues: "transient" } },
    { user_all: classic },
  );
  assert.deepEqual(worker.differences, { user_all: ["durable", "false", "true", back] });
});

test("with a long queue name, when the broker's text is cut, the argument and the wanted value are known", async () => {
  const queue = "q".repeat(255);
  await using worker = await startWithQueues(
    { queue_settings: { user_workflow_get_all: queue } },
    { [queue]: { durable: false } },
  );
  assert.deepEqual(worker.differences, { [queue]: ["durable", "true", "something else", DELETE] });
});

test("the broker's text is parsed in the wording of every version, and other errors are no mismatch", () => {
  const read = (code: number, text: string) =>
    findQueueMismatch(
      Object.assign(new Error(`Operation failed: QueueDeclare; ${text}`), { code }),
      "q",
      "quorum",
    )?.difference;
  const about = (argument: string) =>
    `406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - inequivalent arg '${argument}' for queue 'q' in vhost '/'`;
  const cases = {
    "received 'quorum' but current is 'classic'": ["quorum", "classic"],
    "received 'true' but current is 'false'": ["true", "false"],
    "received none but current is the value '-1' of type 'signedint'": ["none", "-1"],
    "received the value 'quorum' of type 'longstr' but current is none": ["quorum", "none"],
    "received the value 'quorum' of type 'longstr' but curr...": ["quorum", "something else"],
  };
  for (const [text, [wanted, found]] of Object.entries(cases)) {
    const argument = "x-queue-type";
    assert.deepEqual(read(406, `${about(argument)}: ${text}"`), { argument, wanted, found });
  }
  assert.equal(
    read(406, `406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - invalid arg 'x"`),
    undefined,
  );
  assert.equal(read(404, `${about("durable")}: received 'true' but current is 'false'"`), undefined);
  assert.equal(findQueueMismatch("text", "q", "durable"), undefined);
});
