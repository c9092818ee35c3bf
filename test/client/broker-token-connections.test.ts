import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { ChannelModel } from "amqplib";
import { AuthError, connect, createSession, renewBrokerToken, type Session } from "../../src/client/index.ts";
import { folderWith } from "../support/cli.ts";
import { isBroker } from "../support/broker-version.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { lacksBroker, rabbitMqConf, startTokenBroker, type TokenBroker } from "../support/token-broker.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { done, startResponder } from "./responder.ts";

const PASSWORD = "correct horse battery";

/** In seconds: the renewal after 70 % leaves a busy machine some seconds before the end. */
const LIFETIME = 15;

const CONFIG = {
  app_config: { vhosts: ["prod"], default_vhost: "prod" },
  broker_settings: {
    token_valid_time: LIFETIME / 60,
    scopes: { service: ["configure:*", "read:*", "write:*"] },
  },
};

describe("a connection with a broker token", { skip: lacksBroker }, () => {
  let worker: TestWorker;
  let rabbit: TokenBroker;
  let session: Session;
  const auth = () => connect({ url: worker.url });
  let client: Awaited<ReturnType<typeof auth>>;
  before(async () => {
    worker = await startWorker({ config: CONFIG });
    rabbit = await startTokenBroker({
      conf: await rabbitMqConf(join(folderWith(worker.raw), "config.json")),
    });
    await rabbit.makeVhost("prod");
    await worker.addUser("billing", PASSWORD, { groups: ["service"] });
    await worker.addUser("stranger", PASSWORD);
    client = await auth();
    session = createSession(client, { username: "billing", password: PASSWORD });
  });
  after(async () => {
    await session.close();
    await client.close();
    await rabbit[Symbol.asyncDispose]();
    await worker[Symbol.asyncDispose]();
  });

  const isUsable = async (connection: ChannelModel): Promise<boolean> => {
    const channel = await connection.createChannel();
    channel.on("error", () => undefined);
    try {
      await channel.assertQueue("", { exclusive: true });
      await channel.close();
      return true;
    } catch (error) {
      assert.match(String(error), /ACCESS_REFUSED/);
      return false;
    }
  };
  const untilEnd = (token: string): Promise<unknown> =>
    waitUntil("the end of the token", async () => !(await rabbit.takes(token)), { seconds: LIFETIME * 3 });

  test("outlives the token with renewBrokerToken, even if requests for a new one fail", async () => {
    const token = await session.brokerToken();
    const kept = await rabbit.connect(token);
    const left = await rabbit.connect(token);
    const lost = closeOf(left);
    const errors: unknown[] = [];
    let requests = 0;
    using renewal = renewBrokerToken(kept, {
      token,
      async newToken() {
        if (++requests <= 2) throw new Error("out of order");
        return session.brokerToken();
      },
      onError: (error) => errors.push(error),
    });
    await untilEnd(token);
    assert.equal(await isUsable(kept), true, "the renewed connection");
    assert.deepEqual(errors.map(String), ["Error: out of order", "Error: out of order"]);
    assert.equal(requests, 3);
    // Otherwise the test would not show that the renewal is needed.
    if (isBroker(4, 3)) await lost;
    else assert.equal(await isUsable(left), false, "the connection without renewal");
    renewal.stop();
    await kept.close();
  });

  test("of the client outlives the token if the password is a function", async () => {
    const { href } = Object.assign(new URL(rabbit.broker.url), { pathname: "/prod" });
    await using responder = await startResponder(["user_all"], () => done({ users: [] }), href);
    const tokens: string[] = [];
    const { host, port } = rabbit.broker;
    await using caller = await connect({
      nodes: [{ host, port }],
      username: "billing",
      vhost: "prod",
      connectionName: "renewed",
      async password() {
        tokens.push(await session.brokerToken());
        return tokens.at(-1) ?? "";
      },
    });
    await caller.user.getAll({ access_token: "a" });
    const first = await connectionNamed("renewed");
    await untilEnd(tokens[0] ?? "");
    await caller.user.getAll({ access_token: "a" });
    assert.equal(await connectionNamed("renewed"), first, "the client has reconnected");
    assert.equal(responder.received.length, 2);
    assert.ok(tokens.length >= 2, `${tokens.length} tokens`);
  });

  /** The address of the only connection with this name. */
  const connectionNamed = (wanted: string): Promise<string> =>
    waitUntil(
      `the connection ${wanted}`,
      async () => {
        const list = (await rabbit.ask("connections")).body as {
          name: string;
          user_provided_name?: string;
        }[];
        const [found, ...more] = list.filter(({ user_provided_name: name }) => name === wanted);
        return more.length === 0 ? found?.name : undefined;
      },
      { seconds: 30 },
    );

  test("is impossible for a user without broker permissions, whose access tokens are not affected", async () => {
    await using other = createSession(client, { username: "stranger", password: PASSWORD });
    for (let attempt = 0; attempt < 2; attempt++)
      await assert.rejects(
        other.brokerToken(),
        (error) => error instanceof AuthError && error.code === "NO_BROKER_ACCESS",
      );
    assert.match(await other.accessToken(), /^ey/);
  });

  test("has a new token from each call of brokerToken, of one session", async () => {
    await using one = createSession(client, { username: "billing", password: PASSWORD });
    const all = await Promise.all([one.brokerToken(), one.brokerToken(), one.accessToken()]);
    assert.equal(new Set(all).size, 3, "equal tokens");
    assert.equal(await rabbit.takes(all[0]), true);
    assert.equal(await rabbit.takes(all[1]), true);
    // The login revoked the session that the other tests share.
    session = createSession(client, { username: "billing", password: PASSWORD });
  });

  test("closes when the broker does not accept the new token", async () => {
    const token = await session.brokerToken();
    const connection = await rabbit.connect(token);
    const lost = closeOf(connection);
    using renewal = renewBrokerToken(connection, {
      token: fakeToken({ iat: 0, exp: 1 }),
      newToken: () => `${token}x`,
    });
    assert.match(String(await lost), /NOT_ALLOWED - New secret was refused/);
    renewal.stop();
  });
});

/** Resolves with the reason when the connection closes; `once` would reject with its error. */
function closeOf(connection: ChannelModel): Promise<unknown> {
  return new Promise((resolve) => connection.on("close", resolve));
}

/** An unsigned token with these claims. */
function fakeToken(claims: object): string {
  return ["{}", JSON.stringify(claims), ""].map((part) => Buffer.from(part).toString("base64url")).join(".");
}
