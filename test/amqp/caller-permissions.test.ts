import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect as connectBroker } from "amqplib";
import { connect } from "../../src/client/index.ts";
import { type BrokerUser, createBrokerUser } from "../support/broker-user.ts";
import { callManagement } from "../support/rabbitmq.ts";
import { bodyOf, connectRaw } from "../support/raw-caller.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

const page = readFileSync(resolve(import.meta.dirname, "../../docs/wire.md"), "utf8");

/** The rows of the page's table: a reply queue, and the permissions that it needs. */
const ROWS = Array.from(
  page.matchAll(/^\| ([^|]+) \| `(\S+)` \| `(\S+)` \| `(\S+)` \|$/gm),
  ([, kind = "", configure = "", write = "", read = ""]) => ({
    kind,
    permissions: { configure, write, read },
  }),
);

/** The name of the queue that each row declares; undefined for direct reply-to. */
const QUEUES: Readonly<Record<string, string | undefined>> = {
  "direct reply-to": undefined,
  "exclusive queue with a name from RabbitMQ": "",
  "exclusive queue `billing.replies`": "billing.replies",
};

/** Calls `jwks` as a caller with this reply queue does; rejects with the broker's error. */
async function call(url: string, name: string | undefined, exchange = "", queue = "jwks"): Promise<number> {
  const connection = await connectBroker(url, { noDelay: true });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  try {
    connection.on("error", reject);
    const channel = await connection.createChannel();
    channel.on("error", reject);
    const replyTo =
      name === undefined
        ? "amq.rabbitmq.reply-to"
        : (await channel.assertQueue(name, { exclusive: true })).queue;
    await channel.consume(replyTo, (message) => resolve(bodyOf(message ?? undefined).resp_code), {
      noAck: true,
    });
    channel.on("return", () => reject(new Error("returned")));
    channel.publish(exchange, queue, Buffer.from("{}"), { replyTo, mandatory: true });
    return await promise;
  } finally {
    promise.catch(() => undefined);
    await connection.close().catch(() => undefined);
  }
}

describe("a caller with the broker permissions of docs/wire.md", () => {
  let worker: TestWorker;
  let user: BrokerUser;
  let url: string;
  before(async () => {
    worker = await startWorker();
    user = await createBrokerUser(worker.vhost);
    const address = new URL(worker.url);
    Object.assign(address, { username: user.username, password: user.password });
    url = address.href;
  });
  after(async () => {
    await user[Symbol.asyncDispose]();
    await worker[Symbol.asyncDispose]();
  });

  test("finds a row for each reply queue on the page", () => {
    assert.deepEqual(
      ROWS.map(({ kind }) => kind),
      Object.keys(QUEUES),
    );
  });

  for (const { kind, permissions } of ROWS)
    test(`gets replies by ${kind}, and is refused if one of the permissions is missing`, async () => {
      await user.permit(permissions);
      assert.equal(await call(url, QUEUES[kind]), 200);
      for (const name of ["configure", "write", "read"] as const) {
        if (permissions[name] === "^$") continue;
        await user.permit({ ...permissions, [name]: "^$" });
        await assert.rejects(call(url, QUEUES[kind]), /ACCESS[-_]REFUSED/, name);
      }
    });

  test("calls with the client for TypeScript, and learns that a queue is missing", async () => {
    await user.permit(ROWS[0]!.permissions);
    await using auth = await connect({ url, queues: { user_all: "missing" } });
    assert.ok((await auth.session.getJwks({})).keys.length > 0);
    await assert.rejects(
      auth.user.getAll({ access_token: "x" }, { timeout: 2000 }),
      /there is no queue missing/,
    );
  });

  test("reaches only the queues that its topic permissions name", async () => {
    const rule = /set_permissions -p \/ billing '(\S+)' '(\^auth\S+)' '(\S+)'/.exec(page);
    const [, configure = "", write = "", read = ""] = rule ?? assert.fail("the permissions on auth.requests");
    const [, keys = ""] = /set_topic_permissions -p \/ billing auth\.requests '(\S+)'/.exec(page) ?? [];
    await using admin = await connectRaw(worker.url);
    await admin.channel.assertExchange("auth.requests", "topic", { durable: true });
    for (const queue of ["introspect", "user_get"])
      await admin.channel.bindQueue(queue, "auth.requests", queue);
    await user.permit({ configure, write, read });
    const rights = { exchange: "auth.requests", write: keys, read: "^$" };
    await callManagement("PUT", `topic-permissions/${worker.vhost}/${user.username}`, rights);
    assert.equal(await call(url, undefined, "auth.requests", "introspect"), 400);
    await assert.rejects(call(url, undefined, "auth.requests", "user_get"), /ACCESS[-_]REFUSED/);
    await assert.rejects(call(url, undefined, "", "user_get"), /ACCESS[-_]REFUSED/);
  });
});
