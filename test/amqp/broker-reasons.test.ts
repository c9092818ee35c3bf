import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { explain, readReason } from "../../src/amqp/broker-reason.ts";
import type { Worker } from "../../src/worker.ts";
import { closeConnections } from "../support/broker-connections.ts";
import { diagnose } from "../support/doctor.ts";
import { callManagement } from "../support/rabbitmq.ts";
import type { LogLine } from "../support/log-lines.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { BUSY, beginAboveLimit, type Limited, startLimited } from "./limited-broker.ts";

const problems = ({ lines }: Limited): readonly LogLine[] => lines.filter(({ level }) => level >= 40);

const detailOf = async (worker: Worker, name: string): Promise<string> =>
  (await worker.readiness()).dependencies[name]?.detail ?? "ok";

describe("the broker's reason for closing a connection", () => {
  test("is logged once at a channel limit, and the worker serves when the limit is raised", async () => {
    await using limited = await startLimited();
    const { user } = limited;
    await user.limit("user", "max-channels", 5);
    const { worker, started } = await beginAboveLimit(limited);
    const [line, ...more] = problems(limited);
    assert.deepEqual(more, []);
    assert.deepEqual(
      [line?.msg, line?.["purpose"], line?.["code"]],
      ["lost the connection to the broker", "requests", 530],
    );
    assert.match(String(line?.["reason"]), /number of channels opened for user .* user limit of \(?5\)?/);
    assert.match(
      String(line?.["advice"]),
      new RegExp(`set_user_limits ${user.username} '{"max-channels": N}'`),
    );
    await user.limit("user", "max-channels");
    await started;
    assert.equal((await worker.readiness()).status, "ready");
  });

  test("is logged once for each connection at a connection limit of the vhost or user", async () => {
    for (const scope of ["vhost", "user"] as const) {
      await using limited = await startLimited();
      await limited.user.limit(scope, "max-connections", 1);
      const { worker, started } = await limited.begin();
      await waitUntil("the refusal", () => (problems(limited).length > 0 ? true : undefined), BUSY);
      await waitUntil("readiness that says so", async () =>
        /connection limit \(1\)/.test(await detailOf(worker, "broker requests")) ? true : undefined,
      );
      const [line] = problems(limited);
      assert.equal(line?.msg, "the broker refuses the connection, trying again");
      assert.match(String(line["reason"]), /connection limit \(1\) is reached/);
      assert.match(String(line["advice"]), new RegExp(`rabbitmqctl set_${scope}_limits .*max-connections`));
      await limited.user.limit(scope, "max-connections");
      await started;
      const purposes = problems(limited).map(({ purpose }) => purpose);
      assert.equal(new Set(purposes).size, purposes.length, "once for each connection");
    }
  });

  test("is logged when an operator closes the connection", async () => {
    await using limited = await startLimited();
    const { started } = await limited.begin();
    await started;
    await closeConnections(limited.vhost, "requests");
    const line = await waitUntil("the loss", () => problems(limited)[0], BUSY);
    assert.deepEqual([line.msg, line["code"]], ["lost the connection to the broker", 320]);
    assert.match(String(line["reason"]), /^CONNECTION_FORCED - /);
  });
});

describe("a broker user without a permission", () => {
  test("to read: one line lists all queues, and the worker is not ready until it is granted", async () => {
    await using limited = await startLimited();
    await limited.user.permit({ read: "" });
    const { worker, started } = await limited.begin();
    const line = await waitUntil("the line", () => problems(limited)[0], BUSY);
    assert.equal(line.msg, "cannot consume the queue, trying again");
    assert.ok((line["queues"] as string[]).includes("token"), String(line["queues"]));
    assert.match(String(line["reason"]), /ACCESS_REFUSED - .*access to queue/);
    assert.match(await detailOf(worker, "queue token"), /ACCESS_REFUSED/);
    assert.equal((await worker.readiness()).status, "starting");
    await limited.user.permit();
    await started;
    assert.equal(problems(limited).length, 1, JSON.stringify(problems(limited)));
  });

  test("to write: /readyz has the reason, and the worker is not ready until it is granted", async () => {
    await using limited = await startLimited();
    await limited.user.permit({ write: "^auth" });
    const { worker, started } = await limited.begin();
    await waitUntil(
      "the reason",
      async () =>
        /access to exchange 'amq\.default'/.test(await detailOf(worker, "broker replies")) ? true : undefined,
      BUSY,
    );
    await limited.user.permit();
    await started;
    assert.equal((await worker.readiness()).status, "ready");
  });

  test("on the events exchange: the worker answers requests, and /readyz has the reason", async () => {
    await using limited = await startLimited();
    await limited.user.permit({ write: "^amq\\.default$" });
    const { worker, started } = await limited.begin();
    await started;
    await waitUntil(
      "the reason",
      async () =>
        /access to exchange 'auth\.events'/.test(await detailOf(worker, "broker events")) ? true : undefined,
      BUSY,
    );
    assert.equal((await worker.readiness()).status, "ready");
    await limited.user.permit();
    await waitUntil(
      "the end of it",
      async () => ((await detailOf(worker, "broker events")) === "ok" ? true : undefined),
      BUSY,
    );
  });
});

describe("doctor", () => {
  test("finds each missing permission, and changes nothing on the broker", async () => {
    await using limited = await startLimited();
    const { raw, user, vhost } = limited;
    const broker = async (): Promise<string> => (await diagnose(raw)).of("broker");
    assert.doesNotMatch(await broker(), /^fail/m);

    await user.permit({ read: "" });
    assert.match(
      await broker(),
      /^fail: \S+ may not consume any of the \d+ queues: it has no read permission .*set_permissions/m,
    );
    await user.permit({ configure: "^(?!login$|auth)" });
    assert.match(await broker(), /^fail: \S+ may not declare login: /m);
    await user.permit({ configure: "^(?!auth)", write: "" });
    const silent = await broker();
    assert.match(silent, /^fail: \S+ may not publish to the default exchange, so no reply arrives/m);
    assert.match(silent, /^fail: \S+ may not declare the exchange auth\.events/m);
    assert.match(silent, /^fail: \S+ may not publish to the exchange auth\.events/m);

    assert.deepEqual(await callManagement("GET", `queues/${vhost}`), []);
    const exchanges = (await callManagement("GET", `exchanges/${vhost}`)) as { name: string }[];
    assert.deepEqual(
      exchanges.filter(({ name }) => name !== "" && !name.startsWith("amq.")),
      [],
    );
  });

  test("finds each limit that is too low", async () => {
    await using limited = await startLimited();
    const { raw, user } = limited;
    const broker = async (): Promise<string> => (await diagnose(raw)).of("broker");
    await user.limit("user", "max-channels", 20);
    assert.match(await broker(), /^fail: .*user limit of \(?20\)? \| A worker needs .*set_user_limits/m);
    await user.limit("user", "max-channels");
    await user.limit("vhost", "max-connections", 3);
    assert.match(await broker(), /^fail: .*connection limit \(3\) is reached \| .*set_vhost_limits/m);
    await user.limit("vhost", "max-connections", 0);
    assert.match(
      await broker(),
      /^fail: .* refuses .*connection limit \(0\) is reached \| .*set_vhost_limits/m,
    );
    await user.limit("vhost", "max-connections");
  });

  test("checks queues without consuming a waiting request", async () => {
    await using limited = await startLimited();
    const { worker, started } = await limited.begin();
    await started;
    await worker.stop();
    const { vhost, raw } = limited;
    await callManagement("POST", `exchanges/${vhost}/amq.default/publish`, {
      properties: {},
      routing_key: "login",
      payload: "{}",
      payload_encoding: "string",
    });
    assert.doesNotMatch((await diagnose(raw)).of("broker"), /^fail/m);
    const got = (await callManagement("POST", `queues/${vhost}/login/get`, {
      count: 1,
      ackmode: "ack_requeue_false",
      encoding: "auto",
    })) as { redelivered: boolean }[];
    assert.deepEqual(
      got.map(({ redelivered }) => redelivered),
      [false],
    );
  });
});

test("each reason has the right advice, in the wording of every RabbitMQ version", () => {
  const broker = { username: "authmq", vhost: "prod" };
  const closed = (code: number, text: string) =>
    readReason(new Error(`Connection closed: ${code} (SOME-NAME) with message "${text}"`), broker);
  for (const [code, text, advice] of [
    [530, "NOT_ALLOWED - vhost prod not found", /add_vhost prod/],
    [530, "NOT_ALLOWED - access to vhost 'prod' refused for user 'authmq'", /set_permissions -p prod authmq/],
    [
      530,
      "NOT_ALLOWED - access to vhost 'prod' refused for user 'authmq': connection limit (2) is reached",
      /set_vhost_limits -p prod/,
    ],
    [
      530,
      "NOT_ALLOWED - connection refused for user 'authmq': user connection limit (1) is reached",
      /set_user_limits authmq/,
    ],
    [
      530,
      "NOT_ALLOWED - number of channels opened on node 'rabbit@a' has reached the maximum allowed limit of (9)",
      /channel_max/,
    ],
    [
      541,
      "INTERNAL_ERROR - access to vhost 'prod' refused for user 'authmq': vhost 'prod' is down",
      /restart_vhost -p prod/,
    ],
    [541, "INTERNAL_ERROR - something", /internal error: see its log/],
    [
      320,
      "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
      /reconnects by itself/,
    ],
    [506, "RESOURCE_ERROR - something", /short of a resource/],
    [
      403,
      "ACCESS_REFUSED - read access to queue 'login' in vhost 'prod' refused for user 'authmq'",
      /set_permissions/,
    ],
    [541, "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.", /durable or quorum/],
  ] as const) {
    const found = closed(code, text);
    assert.deepEqual([found?.code, found?.reason], [code, text]);
    assert.match(found?.advice ?? "", advice, text);
  }
  assert.match(readReason(new Error("No channels left to allocate"), broker)?.advice ?? "", /channel_max/);
  assert.match(explain("low on memory", undefined, broker).advice, /Free memory/);
  assert.equal(readReason(new Error("connect ECONNREFUSED 127.0.0.1:1"), broker), undefined);
});
