import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { Logger } from "@nestjs/common";
import { ClientProxyFactory, RmqRecordBuilder, Transport } from "@nestjs/microservices";
import { firstValueFrom, type Observable } from "rxjs";
import {
  AuthClientRMQ,
  AuthDeserializer,
  AuthException,
  AuthSerializer,
} from "../../examples/nestjs/auth-client-rmq.ts";
import { amqpUrl } from "../support/rabbitmq.ts";
import { startProxy } from "../support/proxy.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { done, startResponder, through } from "../client/responder.ts";

const alice = { username: "alice", password: "nine lanterns at dusk" };

interface Sender {
  send(queue: string, request: object): Observable<unknown>;
  close(): unknown;
}

function using(client: Sender) {
  return {
    send: (queue: string, request: object): Promise<unknown> => firstValueFrom(client.send(queue, request)),
    [Symbol.asyncDispose]: async () => {
      await client.close();
    },
  };
}

const openClient = (url: string, timeout = 10_000) => using(new AuthClientRMQ({ urls: [url], timeout }));

/** The error that a call rejects with. */
async function errorOf(call: Promise<unknown>): Promise<AuthException> {
  const error: unknown = await call.then(
    (value) => assert.fail(`resolved with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof AuthException, String(error));
  return error;
}

before(() => {
  Logger.overrideLogger(false);
});

describe("the NestJS example of ClientRMQ", () => {
  let worker: TestWorker;
  before(async () => {
    const app_config = { login_throttle: { free_failures: 1 }, allow_registration: true };
    worker = await startWorker({ config: { app_config } });
    await worker.addUser(alice.username, alice.password, { groups: ["dev"] });
  });
  after(() => worker[Symbol.asyncDispose]());

  test("resolves with resp_data, for several queues over one connection", async () => {
    await using client = openClient(worker.url);
    const { id_token } = (await client.send("login", alice)) as { id_token: string };
    const { access_token } = (await client.send("token", { id_token })) as { access_token: string };
    assert.deepEqual(await client.send("group_all", { access_token }), { groups: ["dev"] });
  });

  test("rejects with the code, the fields and the seconds to wait of an error reply", async () => {
    await using client = openClient(worker.url);
    const invalid = await errorOf(client.send("login", { username: "alice" }));
    assert.deepEqual([invalid.code, invalid.respCode], ["INVALID_INPUT", 400]);
    assert.deepEqual(
      (invalid.fields as { path: string }[]).map(({ path }) => path),
      ["password"],
    );
    const wrong = { ...alice, username: "someone", password: "a wrong password" };
    const refused = await errorOf(client.send("login", wrong));
    assert.deepEqual([refused.code, refused.respCode], ["INVALID_CREDENTIALS", 401]);
    assert.equal(refused.message, "could not log in: wrong username or password");
    await errorOf(client.send("login", wrong));
    const limited = await errorOf(client.send("login", wrong));
    assert.deepEqual([limited.code, limited.respCode], ["TOO_MANY_ATTEMPTS", 429]);
    assert.ok(Number(limited.retryAfter) >= 1, String(limited.retryAfter));
  });

  test("gets the same reply again for the same message id, which an RmqRecord sets", async () => {
    await using client = openClient(worker.url);
    const { password } = alice;
    const account = { username: "bobby", email: "b@example.com", password, password_confirm: password };
    const record = new RmqRecordBuilder(account).setOptions({ messageId: randomUUID() }).build();
    const first = await client.send("user_register", record);
    assert.deepEqual(await client.send("user_register", record), first);
    assert.equal((await errorOf(client.send("user_register", account))).code, "USERNAME_TAKEN");
  });

  test("works with one plain ClientRMQ for each queue, which declares nothing", async () => {
    const open = (queue: string) =>
      using(
        ClientProxyFactory.create({
          transport: Transport.RMQ,
          options: {
            urls: [worker.url],
            queue,
            noAssert: true,
            serializer: new AuthSerializer(),
            deserializer: new AuthDeserializer(),
          },
        }),
      );
    await using login = open("login");
    await using token = open("token");
    const { id_token } = (await login.send("login", alice)) as { id_token: string };
    const { access_token } = (await token.send("token", { id_token })) as { access_token: string };
    assert.equal(typeof access_token, "string");
    assert.equal((await errorOf(token.send("token", { id_token: access_token }))).code, "INVALID_TOKEN");
  });
});

test("the NestJS example sends the request alone, with an idempotency key, an expiration and direct reply-to", async () => {
  await using responder = await startResponder(["login"], () => done({ id_token: "x" }));
  await using client = openClient(responder.url, 4000);
  assert.deepEqual(await client.send("login", alice), { id_token: "x" });
  const [{ body, properties } = assert.fail("no request")] = responder.received;
  assert.deepEqual(body, alice);
  const { messageId, expiration, contentType, replyTo, correlationId, headers } =
    properties as unknown as Record<string, unknown>;
  assert.match(String(messageId), /^[\da-f-]{36}$/);
  assert.deepEqual([expiration, contentType], ["4000", "application/json"]);
  assert.match(String(replyTo), /^amq\.rabbitmq\.reply-to\./);
  assert.notEqual(correlationId, undefined);
  assert.deepEqual(headers, {});
});

test("the NestJS example rejects in time if there is no queue, no reply or a malformed reply, and declares no queue", async () => {
  await using responder = await startResponder(["silent", "other"], ({ queue }) =>
    queue === "other" ? '{"response": "of another program"}' : undefined,
  );
  await using client = openClient(responder.url, 1000);
  for (const [queue, message] of [
    ["login", "there is no queue login: is a worker running?"],
    ["silent", "no reply within 1000 ms"],
    ["other", "the reply is not from authmq"],
  ] as const) {
    const error = await errorOf(client.send(queue, alice));
    assert.deepEqual([error.code, error.respCode, error.message], ["NO_REPLY", 503, message]);
  }
  await using raw = await connectRaw(responder.url);
  await assert.rejects(raw.channel.checkQueue("login"), /NOT_FOUND/);
});

test("the NestJS example rejects during an outage of the broker, sends nothing later, and works again after it", async () => {
  await using proxy = await startProxy(Number(new URL(amqpUrl).port));
  await using responder = await startResponder(["group_all"], () => done({ groups: [] }));
  await using client = openClient(through(proxy.port, responder.url), 1000);
  await client.send("group_all", { access_token: "before" });
  proxy.cut();
  for (let attempt = 0; attempt < 3; attempt++) {
    const error = await errorOf(client.send("group_all", { access_token: "during" }));
    assert.equal(error.code, "NO_REPLY", error.message);
  }
  proxy.restore();
  await waitUntil(
    "a call after the outage",
    () => client.send("group_all", { access_token: "after" }).catch(() => undefined),
    { seconds: 30 },
  );
  assert.deepEqual(
    new Set(responder.received.map(({ body }) => (body as { access_token: string }).access_token)),
    new Set(["before", "after"]),
  );
});
