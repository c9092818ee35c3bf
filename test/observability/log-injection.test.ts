import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { startFalseDirectory } from "../support/false-directory.ts";
import { lastLine } from "../support/log-lines.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";
import { HOSTILE, readLine } from "./hostile.ts";

const ANY_NAME = { username_regex: "[^]{1,100}", bcrypt_cost: 4 };

test("hostile texts in messages cannot break the log: each line is one JSON object", async () => {
  // RabbitMQ removes line breaks from queue names.
  const queue = `login${HOSTILE.replaceAll(/[\r\n]/g, "")}`;
  await using worker = await startWorker({
    config: { app_config: ANY_NAME, queue_settings: { session_workflow_login: queue } },
  });
  await using caller = await connectRaw(worker.url);
  const properties = {
    ...{ appId: HOSTILE, type: HOSTILE, contentType: HOSTILE, contentEncoding: HOSTILE },
    headers: { [HOSTILE]: HOSTILE, "x-idempotency-key": HOSTILE },
  };
  const bodies = [
    JSON.stringify({ username: HOSTILE, password: HOSTILE, vhost: HOSTILE, ip: HOSTILE }),
    JSON.stringify({ username: HOSTILE, password: HOSTILE, [HOSTILE]: HOSTILE }),
    JSON.stringify({ username: HOSTILE, id_token: HOSTILE, access_token: HOSTILE, groupname: HOSTILE }),
    `{"username": "${HOSTILE}"`,
  ];
  const queues = [...worker.config.queues.values()];
  for (const name of queues) {
    for (const replyTo of [HOSTILE, `amq.rabbitmq.reply-to.${HOSTILE}`, caller.replyQueue])
      for (const body of bodies)
        caller.publish(name, body, { ...properties, replyTo, correlationId: HOSTILE });
  }
  const expected = queues.length * bodies.length;
  await waitUntil("all replies", () => caller.replies.length === expected || undefined);
  for (const { properties: reply } of caller.replies)
    assert.equal((reply as { correlationId: unknown }).correlationId, HOSTILE);
  await caller.channel.deleteQueue(queue);
  const cancelled = await lastLine(worker, "the broker cancelled the consumer (was the queue deleted?)");
  assert.equal(cancelled["queue"], queue);
  await worker.worker.stop();
  assert.ok(worker.log.length > expected, `${worker.log.length} lines`);
  for (const line of worker.log) readLine(line);
});

test("hostile names in a directory cannot break the log", async () => {
  // Account names cannot contain controls, or the special characters of DNs and filters.
  const name = `mallory${HOSTILE.replaceAll(/[\p{Cc}\p{P}\p{S}]/gu, "")}`;
  assert.match(name, /\u202e/);
  const groups = [`cn=allowed_to_login,dc=x`, `cn=API_PERM${name},dc=x`];
  let code = 0;
  await using directory = await startFalseDirectory({
    bind: () => ({ code, text: HOSTILE }),
    search: () => [
      { dn: `uid=${name},ou=people,dc=x`, attributes: { uid: [name], memberOf: groups, mail: [HOSTILE] } },
    ],
  });
  const ldap = {
    ...{ address: directory.url, base_dn: "dc=x", user_filter: "(uid={username})" },
    bind: "uid={username},ou=people,dc=x",
  };
  await using worker = await startWorker({ config: { app_config: ANY_NAME, ldap_settings: ldap } });
  const login = (username: string) => worker.call("login", { username, password: randomUUID() });

  assert.equal((await login(name)).resp_code, 200);
  const leftOut = await lastLine(
    worker,
    "directory groups were ignored: group_regex does not match their names, or they end with a space",
  );
  assert.deepEqual([leftOut["username"], leftOut["groups"]], [name, [name]]);
  code = 49;
  assert.equal((await login(name)).resp_code, 401);
  assert.equal((await lastLine(worker, "the directory refused a login"))["username"], name);
  assert.equal((await login(HOSTILE)).resp_code, 401);
  assert.equal((await lastLine(worker, "the directory refused a login"))["username"], HOSTILE);
  code = 51;
  assert.equal((await login(name)).resp_code, 503);
  for (const line of worker.log) readLine(line);
});

test("the log names a rate limited account with a hostile name on one line", async () => {
  await using worker = await startWorker({
    config: { app_config: { ...ANY_NAME, login_throttle: { free_failures: 1 } } },
  });
  await worker.addUser(HOSTILE, "correct horse", { email: "alice@example.com" });
  const { resp_code } = await worker.call("login", { username: HOSTILE, password: "nope" });
  assert.equal(resp_code, 401);
  const msg = "too many failed logins: further attempts are rate limited";
  assert.equal((await lastLine(worker, msg))["username"], HOSTILE);
  for (const line of worker.log) readLine(line);
});
