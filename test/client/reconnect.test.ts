import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type AuthClient, connect, NoReplyError } from "../../src/client/index.ts";
import { createBrokerUser } from "../support/broker-user.ts";
import { amqpUrl, callManagement } from "../support/rabbitmq.ts";
import { startProxy } from "../support/proxy.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";
import { done, startResponder, through } from "./responder.ts";

const brokerPort = Number(new URL(amqpUrl).port);
const request = { access_token: "a" };

test("a call in flight when the connection breaks is retried with its idempotency key and executed once", async () => {
  await using worker = await startWorker();
  await using proxy = await startProxy(brokerPort);
  await using auth = await connect({ url: through(proxy.port, worker.url) });
  const access_token = await worker.accessToken("root", ["admin"]);
  // Delay the replies, so that the connection breaks after requests were executed.
  proxy.delay(300);
  const calls = Array.from({ length: 20 }, (_, index) =>
    auth.group.create({ groupname: `group-${index}`, access_token }, { timeout: 20_000 }),
  );
  await waitUntil("the first groups", async () => {
    const rows = await worker.db.selectFrom("group").select("name").execute();
    return rows.length > 0 || undefined;
  });
  proxy.restore();
  const replies = await Promise.all(calls);
  // Without the key, retries of executed requests would fail with GROUP_TAKEN.
  assert.equal(replies.length, 20);
});

test("calls while the broker is down wait for it, and time out if it stays down", async () => {
  await using responder = await startResponder(["user_all"], () => done({ users: ["alice"] }));
  await using proxy = await startProxy(brokerPort);
  await using auth = await connect({ url: through(proxy.port, responder.url) });
  proxy.cut();
  await waitUntil("the connection to close", () => proxy.connections === 0 || undefined);
  const patient = Array.from({ length: 10 }, () => auth.user.getAll(request));
  await assert.rejects(auth.user.getAll(request, { timeout: 2000 }), (error) => {
    assert.ok(error instanceof NoReplyError, String(error));
    assert.equal(error.message, "no connection to the broker within 2000 ms");
    assert.equal(error.respCode, 503);
    assert.ok(error.cause instanceof Error, String(error.cause));
    return true;
  });
  proxy.restore();
  for (const reply of await Promise.all(patient)) assert.deepEqual(reply, { users: ["alice"] });
  assert.equal(responder.received.length, 10);
});

test("a call that times out while the broker is down leaves nothing in memory", async () => {
  await using responder = await startResponder(["user_all"], () => done({ users: [] }));
  await using proxy = await startProxy(brokerPort);
  await using auth = await connect({ url: through(proxy.port, responder.url) });
  proxy.cut();
  await waitUntil("the connection to close", () => proxy.connections === 0 || undefined);
  const giveUp = async (): Promise<WeakRef<object>> => {
    const error: unknown = await auth.user
      .getAll(request, { timeout: 20 })
      .catch((reason: unknown) => reason);
    assert.ok(error instanceof NoReplyError, String(error));
    return new WeakRef(error);
  };
  const errors = await Promise.all(Array.from({ length: 10 }, giveUp));
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await waitUntil("the errors to be forgotten", () => {
    collect();
    return errors.every((error) => error.deref() === undefined) || undefined;
  });
});

test("a client whose node is down connects to the next node, and back", async () => {
  await using responder = await startResponder(["user_all"], () => done({ users: [] }));
  await using first = await startProxy(brokerPort);
  await using second = await startProxy(brokerPort);
  const { username, password, pathname } = new URL(responder.url);
  const options = {
    nodes: [first, second].map(({ port }) => ({ host: "127.0.0.1", port })),
    username,
    password,
    vhost: pathname.slice(1),
  };
  first.cut();
  await using auth = await connect(options);
  assert.deepEqual([first.connections, second.connections], [0, 1]);
  first.restore();
  second.cut();
  assert.deepEqual(await auth.user.getAll(request), { users: [] });
  assert.equal(first.connections, 1);
});

test("the error contains the broker's reason, and a connection limit is retried", async () => {
  await using responder = await startResponder(["user_all"], () => done({ users: [] }));
  const vhost = decodeURIComponent(new URL(responder.url).pathname.slice(1));
  await using user = await createBrokerUser(vhost);
  const url = Object.assign(new URL(responder.url), {
    username: user.username,
    password: user.password,
  }).href;
  await user.limit("user", "max-connections", 1);
  await using first = await connect({ url });
  await assert.rejects(connect({ url, timeout: 1000 }), ({ message, cause }: Error) => {
    assert.equal(message, "no connection to the broker within 1000 ms");
    assert.match(String(cause), /NOT_ALLOWED - connection refused for user .*: user connection limit \(1\)/);
    return true;
  });
  const waiting = connect({ url });
  await user.limit("user", "max-connections");
  await using second = await waiting;
  for (const auth of [first, second]) assert.deepEqual(await auth.user.getAll(request), { users: [] });

  await callManagement("DELETE", `permissions/${vhost}/${user.username}`);
  await assert.rejects(connect({ url }), /: .*access to vhost .* refused for user .*\. Check the username/);
});

test("connect rejects at once when the broker refuses the user, and times out when it hangs or is down", async () => {
  await using proxy = await startProxy(brokerPort);
  const wrong = new URL(amqpUrl);
  wrong.password = "a wrong password";
  await assert.rejects(connect({ url: `${wrong.href}/%2F` }), (error) => {
    assert.ok(error instanceof NoReplyError, "another error");
    assert.match(
      error.message,
      /^the broker at 127\.0\.0\.1:\d+ refuses the user ".+" on the vhost "\/": .*ACCESS[-_]REFUSED.*\. Check/,
    );
    assert.ok(!error.message.includes("a wrong password"), "the message contains the password");
    return true;
  });
  for (const make of ["hang", "cut"] as const) {
    proxy[make]();
    const begin = performance.now();
    await assert.rejects(connect({ url: through(proxy.port, amqpUrl), timeout: 1000 }), {
      code: "NO_REPLY",
      message: "no connection to the broker within 1000 ms",
    });
    const ms = performance.now() - begin;
    assert.ok(ms < 3000, `${make}: ${ms} ms`);
    proxy.restore();
  }
});

test("close() rejects pending calls, is complete on return with a hung broker too, and may run twice", async () => {
  await using responder = await startResponder(["user_all"], () => undefined);
  await using proxy = await startProxy(brokerPort);
  const begun = async (): Promise<{ auth: AuthClient; outcome: Promise<unknown> }> => {
    const auth = await connect({ url: through(proxy.port, responder.url) });
    const outcome = auth.user.getAll(request).catch((error: unknown) => error);
    await waitUntil("the request", () => responder.received.length > 0 || undefined);
    return { auth, outcome };
  };
  for (const happens of ["nothing", "cut", "hang"] as const) {
    const { auth, outcome } = await begun();
    if (happens !== "nothing") proxy[happens]();
    // Now the client is about to reconnect.
    if (happens === "cut") await waitUntil("the loss", () => proxy.connections === 0);
    const begin = performance.now();
    await Promise.all([auth.close(), auth.close()]);
    await auth.close();
    const ms = performance.now() - begin;
    assert.ok(ms < 4000, `${ms} ms`);
    const error = await outcome;
    assert.ok(error instanceof NoReplyError, String(error));
    assert.equal(error.message, "the client is closed");
    await assert.rejects(auth.user.getAll(request), { code: "NO_REPLY", message: "the client is closed" });
    await waitUntil("no connection", () => proxy.connections === 0 || undefined, { seconds: 5 });
    proxy.restore();
  }
});

test("a call just before or during close() rejects with the client is closed", async () => {
  await using responder = await startResponder(["user_all"], () => done({ users: [] }));
  const auth = await connect({ url: responder.url });
  const before = auth.user.getAll(request);
  const closing = auth.close();
  const during = auth.user.getAll(request);
  for (const outcome of await Promise.allSettled([before, during]))
    assert.equal(
      outcome.status === "rejected" && String(outcome.reason),
      "NoReplyError: the client is closed",
    );
  await closing;
});

test("a connection to a frozen broker does not keep the process alive", async () => {
  await using responder = await startResponder([], () => undefined);
  await using proxy = await startProxy(brokerPort);
  const source = (name: string): string =>
    JSON.stringify(new URL(`../../src/client/${name}.ts`, import.meta.url).href);
  const program = `
    const { parseUrl } = await import(${source("address")});
    const { Limit } = await import(${source("limit")});
    const { openLink } = await import(${source("link")});
    const address = { ...parseUrl(process.env.URL), heartbeat: 1 };
    const limit = new Limit(10_000, () => new Error("no connection"));
    const link = await openLink(address, address.nodes[0], limit);
    limit[Symbol.dispose]();
    console.log("ready");
    console.log((await link.lost).message);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    env: { ...process.env, URL: through(proxy.port, responder.url) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exited = once(child, "exit");
  await waitUntil("the program", () => output.includes("ready") || undefined, { seconds: 20 });
  proxy.freeze();
  const stuck = setTimeout(() => child.kill(), 15_000);
  assert.deepEqual(await exited, [0, null], output);
  clearTimeout(stuck);
  assert.match(output, /^ready\nthe connection to the broker was lost: .+\n$/);
});

test("a process ends after close(), even if the broker is down or hangs", async () => {
  await using responder = await startResponder(["user_all"], () => done({ users: [] }));
  await using proxy = await startProxy(brokerPort);
  const program = `
    import { connect } from ${JSON.stringify(new URL("../../src/client/index.ts", import.meta.url).href)};
    const auth = await connect({ url: process.env.URL });
    await auth.user.getAll({ access_token: "a" });
    const waits = auth.user.get({ username: "alice" }).catch(() => "ended");
    process.stdin.once("data", async () => {
      process.stdin.destroy();
      await auth.close();
      console.log(await waits);
    });
    console.log("ready");
  `;
  for (const happens of ["nothing", "cut", "hang"] as const) {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      env: { ...process.env, URL: through(proxy.port, responder.url) },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const exited = once(child, "exit");
    await waitUntil("the program", () => output.includes("ready") || undefined, { seconds: 20 });
    if (happens !== "nothing") proxy[happens]();
    child.stdin.write("close");
    assert.deepEqual(await exited, [0, null], output);
    assert.equal(output, "ready\nended\n", happens);
    proxy.restore();
  }
});

test("errors about the url do not contain its password", async () => {
  for (const url of [
    "http://u:hidden@h",
    "amqp://u:hidden@",
    "amqp:hidden",
    "hidden",
    "amqp://u:%zz-hidden@h",
  ]) {
    await assert.rejects(connect({ url }), (error) => {
      assert.ok(error instanceof TypeError, "another error");
      assert.match(error.message, /must look like amqp:/);
      const output = JSON.stringify(error, Object.getOwnPropertyNames(error));
      assert.ok(!output.includes("hidden"), "the error contains the password");
      return true;
    });
  }
  const none = { nodes: [], username: "u", password: "p" };
  await assert.rejects(connect(none), { name: "TypeError", message: /at least one node/ });
});
