import assert from "node:assert/strict";
import { after, test } from "node:test";
import { findingsOn } from "../../src/cli/doctor/finding.ts";
import { profileFindings } from "../../src/cli/doctor/profile.ts";
import { queueNames } from "../../src/config/queues.ts";
import { callManagement } from "../support/rabbitmq.ts";
import { diagnose, installForDoctor } from "../support/doctor.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { Scratch } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";

const scratch = new Scratch();
after(() => scratch.close());

/** The URL of the vhost in a configuration from `provision`. */
function urlOf(raw: Readonly<Record<string, Record<string, unknown>>>): string {
  const { host, port, username, password, vhost } = raw["amqp_settings"] as Record<string, string>;
  return `amqp://${username}:${password}@${host}:${port}/${vhost}`;
}

test("an unreachable node is a warning if another node works, and a failure if none works", async () => {
  await using installed = await installForDoctor();
  const { host, port } = installed.raw["amqp_settings"] as { host: string; port: number };
  const away = `127.0.0.1:${await scratch.freePort()}`;
  const some = await installed.diagnose({ amqp_settings: { host: [away, host, `[::1]:1`] } });
  assert.equal(some.code, 0);
  const [first, second, third] = some.of("broker").split("\n");
  assert.match(first ?? "", new RegExp(`^warn: cannot reach ${away}: connect ECONNREFUSED \\| Check amqp_`));
  assert.match(second ?? "", new RegExp(`^ok: RabbitMQ \\S+ at ${host}:${port}, vhost `));
  assert.match(third ?? "", /^warn: cannot reach \[::1\]:1: .* \| Check amqp_settings\.host/);
  const none = await installed.diagnose({ amqp_settings: { host: [away, "[::1]:1"] } });
  assert.equal(none.code, 1);
  assert.match(none.of("broker"), /^fail: cannot reach \S+: .*\nfail: cannot reach \[::1\]:1: [^\n]*$/);
});

test("queues that do not fit the profile fail with the difference and advice, and doctor creates no queue", async () => {
  await using installed = await installForDoctor();
  await using caller = await connectRaw(urlOf(installed.raw));
  const { channel } = caller;
  await channel.assertQueue("user_all", { durable: true, messageTtl: 5000 });
  await channel.assertQueue("group_all", { durable: false });
  await channel.assertQueue("group_user", { durable: false });
  await channel.assertQueue("token", { exclusive: true });
  await channel.assertQueue("login", { durable: true });
  const { code, of } = await installed.diagnose();
  assert.equal(code, 1);
  const lines = of("broker").split("\n").slice(1);
  assert.deepEqual(lines.toSorted(), [
    "fail: group_all, group_user do not fit amqp_settings.queues durable: durable is false, expected true | Delete the queue when it is empty, or set amqp_settings.queues to transient.",
    "fail: token does not fit amqp_settings.queues durable: exclusive is true, expected false | Another program uses it exclusively: stop that program, or choose another name in queue_settings.",
    "fail: user_all does not fit amqp_settings.queues durable: x-message-ttl is 5000, expected none | Delete the queue when it is empty.",
    `warn: no worker consumes ${queueNames()
      .filter((name) => !["group_all", "group_user", "token", "user_all"].includes(name))
      .join(", ")} | Start one: authmq serve`,
  ]);
  const queues = (await callManagement(
    "GET",
    `queues/${String(installed.raw["amqp_settings"]?.["vhost"])}`,
  )) as {
    name: string;
  }[];
  const names = queues.map(({ name }) => name).filter((name) => name !== caller.replyQueue);
  assert.deepEqual(names.toSorted(), ["group_all", "group_user", "login", "token", "user_all"]);
});

test("quorum queues with workers are ok, and a configuration with another profile fails in one line", async () => {
  await using worker = await startWorker({ config: { amqp_settings: { queues: "quorum" } } });
  const healthy = await diagnose(worker.raw);
  assert.match(
    healthy.of("broker"),
    new RegExp(`^ok: RabbitMQ .*\nok: ${queueNames().length} queues, each with a worker$`),
  );
  const raw = { ...worker.raw, amqp_settings: { ...worker.raw["amqp_settings"], queues: "durable" } };
  const { code, of } = await diagnose(raw);
  assert.equal(code, 1);
  assert.match(
    of("broker").split("\n").slice(1).join("\n"),
    new RegExp(
      `^fail: ${queueNames().join(", ")} do not fit amqp_settings\\.queues durable: x-queue-type is quorum, expected (?:none|classic) \\| .* to quorum\\.$`,
    ),
  );
});

test("a profile that this RabbitMQ version refuses fails, and a deprecated profile is a warning", () => {
  const check = (
    profile: "durable" | "quorum" | "transient",
    version: string,
    inUse = false,
    product = "RabbitMQ",
  ) =>
    profileFindings(findingsOn("broker"), profile, { product, version }, inUse).map(
      ({ status, advice }) => `${status} ${advice}`,
    );
  const both = "Set amqp_settings.queues to durable or quorum.";
  for (const version of ["4.3.0", "4.10.1", "5.0.0-rc.1"]) {
    assert.deepEqual(check("transient", version), [`fail ${both}`], version);
    assert.deepEqual(
      check("transient", version, true),
      [`warn ${both}`],
      "the operator has allowed transient queues",
    );
  }
  for (const version of ["4.0.0", "4.2.9"]) assert.deepEqual(check("transient", version), [`warn ${both}`]);
  for (const version of ["3.6.16", "3.13.7"]) assert.deepEqual(check("transient", version), [], version);
  assert.deepEqual(check("quorum", "3.7.28"), ["fail Set amqp_settings.queues to durable."]);
  for (const version of ["3.8.0", "3.10.8", "4.3.0"]) assert.deepEqual(check("quorum", version), [], version);
  for (const version of ["3.6.16", "4.3.0"]) assert.deepEqual(check("durable", version), [], version);
  assert.deepEqual(
    check("transient", "4.3.0", false, "Another"),
    [],
    "version numbers of other products are not compared",
  );
});
