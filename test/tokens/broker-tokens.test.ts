import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { generateSecret } from "../../src/config/generate-key.ts";
import { loadConfig } from "../../src/config/load.ts";
import { SIGN_METHODS } from "../../src/config/sections/jwt.ts";
import { createIssuer } from "../../src/tokens/issuer.ts";
import { folderWith, runCli } from "../support/cli.ts";
import { brokerVersion, isBroker } from "../support/broker-version.ts";
import { dataOf } from "../support/replies.ts";
import { Scratch, waitUntil } from "../support/servers/scratch.ts";
import { lacksBroker, rabbitMqConf, startTokenBroker, type TokenBroker } from "../support/token-broker.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

const PASSWORD = "correct horse battery";

/** Names that match other vhosts when treated as a pattern or decoded once too often. */
const VHOSTS = [
  ...["prod", "test", "*", "pro*", "%2A", "%25", "a/b", "a%2Fb", "prod/*"],
  ...["a+b", "a b", "#", "pr\u00f6d", "\u{1f600}", "prod,test"],
];

const CONFIG = {
  app_config: { vhosts: VHOSTS },
  broker_settings: {
    scopes: {
      shop: [
        ...["configure:orders.*", "read:orders.*", "write:orders.*"],
        ...["write:amq.topic/orders.*", "write:amq.default"],
      ],
      all: ["configure:*", "read:*", "write:*"],
      staff: ["tag:management", "read:orders.*"],
    },
  },
};

async function brokerToken(worker: TestWorker, username: string, vhost = "prod"): Promise<string> {
  const id_token = await worker.login(username, PASSWORD, { vhost });
  return dataOf(await worker.call("token", { id_token, broker: true }))["broker_token"] as string;
}

/** The broker's result of an operation on a new channel. */
async function attempt(
  connection: Awaited<ReturnType<TokenBroker["connect"]>>,
  operate: (channel: Awaited<ReturnType<typeof connection.createConfirmChannel>>) => Promise<unknown>,
): Promise<"ok" | "refused"> {
  const channel = await connection.createConfirmChannel();
  const failed = new Promise<Error>((resolve) => channel.once("error", resolve));
  try {
    const error = await Promise.race([operate(channel).then(() => undefined), failed]);
    if (error !== undefined) throw error;
    await channel.close();
    return "ok";
  } catch (error) {
    assert.match(String(error), /ACCESS_REFUSED|channel closed/i);
    return "refused";
  }
}

describe("the broker accepts a broker token as a password", { skip: lacksBroker }, () => {
  let worker: TestWorker;
  let rabbit: TokenBroker;
  let file: string;
  before(async () => {
    worker = await startWorker({ config: CONFIG });
    file = join(folderWith(worker.raw), "config.json");
    rabbit = await startTokenBroker({ conf: await rabbitMqConf(file) });
    await Promise.all(VHOSTS.map((name) => rabbit.makeVhost(name)));
    await worker.addUser("shopper", PASSWORD, { groups: ["shop"] });
    await worker.addUser("operator", PASSWORD, { groups: ["all"] });
    await worker.addUser("clerk", PASSWORD, { groups: ["staff"] });
  });
  after(async () => {
    await rabbit[Symbol.asyncDispose]();
    await worker[Symbol.asyncDispose]();
  });

  test("only for the vhost of the session, whatever its name", async () => {
    for (const vhost of VHOSTS) {
      const token = await brokerToken(worker, "operator", vhost);
      const taken = await Promise.all(VHOSTS.map((other) => rabbit.takes(token, other)));
      assert.deepEqual(
        VHOSTS.filter((_, index) => taken[index]),
        [vhost],
      );
    }
  });

  test("and authorizes its user exactly for the scopes", async () => {
    const owner = await rabbit.connect(await brokerToken(worker, "operator"));
    const made = await owner.createChannel();
    for (const queue of ["orders.made", "bills.made"]) await made.assertQueue(queue);
    const shopper = await rabbit.connect(await brokerToken(worker, "shopper"));
    type Channel = Awaited<ReturnType<typeof shopper.createConfirmChannel>>;
    const publish = (exchange: string, key: string) => (channel: Channel) =>
      new Promise<void>((resolve, reject) => {
        channel.publish(exchange, key, Buffer.from("x"), {}, (error: unknown) => {
          if (error instanceof Error) reject(error);
          else resolve();
        });
      });
    const results = {
      "make orders.new": await attempt(shopper, (one) => one.assertQueue("orders.new")),
      "make bills.new": await attempt(shopper, (one) => one.assertQueue("bills.new")),
      "read orders": await attempt(shopper, (one) => one.get("orders.made", { noAck: true })),
      "read bills": await attempt(shopper, (one) => one.get("bills.made", { noAck: true })),
      "publish to a queue": await attempt(shopper, publish("", "orders.made")),
      "publish to a direct exchange": await attempt(shopper, publish("amq.direct", "orders.new")),
      "publish orders": await attempt(shopper, publish("amq.topic", "orders.new")),
      "publish bills": await attempt(shopper, publish("amq.topic", "bills.new")),
      "publish anything": await attempt(owner, publish("amq.topic", "bills.new")),
      "bind orders": await attempt(shopper, (one) => one.bindQueue("orders.new", "amq.topic", "orders.#")),
    };
    assert.deepEqual(results, {
      "make orders.new": "ok",
      "make bills.new": "refused",
      "read orders": "ok",
      "read bills": "refused",
      "publish to a queue": "ok",
      "publish to a direct exchange": "refused",
      "publish orders": "ok",
      "publish bills": "refused",
      "publish anything": "ok",
      "bind orders": "refused", // reading from the exchange is not in the scopes
    });
    await Promise.all([owner.close(), shopper.close()]);
  });

  test("for the user in the token, whatever username is sent with it", async () => {
    const token = await brokerToken(worker, "shopper");
    for (const name of ["operator", "", "authmq"]) {
      const connection = await rabbit.connect(token, "prod", name);
      const channel = await connection.createChannel();
      channel.on("error", () => undefined);
      await assert.rejects(channel.assertQueue("bills"), /refused for user 'shopper'/);
      await connection.close();
    }
  });

  test("for the management UI, with the tags of the user's groups", async () => {
    const [clerk, shopper] = [await brokerToken(worker, "clerk"), await brokerToken(worker, "shopper")];
    // RabbitMQ 4.3 also returns is_internal_user.
    const { name, tags } = (await rabbit.ask("whoami", clerk)).body as { name: string; tags: string[] };
    assert.deepEqual([name, tags], ["clerk", ["management"]]);
    assert.equal((await rabbit.ask("whoami", shopper)).status, 401);
    const { body } = await rabbit.ask("vhosts", clerk);
    assert.deepEqual(
      (body as { name: string }[]).map(({ name }) => name),
      ["prod"],
    );
  });

  test("and rejects other tokens of the same key", async () => {
    const id_token = await worker.login("operator", PASSWORD);
    const { access_token } = dataOf(await worker.call("token", { id_token }));
    for (const token of [id_token, String(access_token), "", "no token", `${id_token}.`])
      assert.equal(await rabbit.takes(token), false);
    const good = await brokerToken(worker, "operator");
    const [header = "", , signature = ""] = good.split(".");
    const claims = Buffer.from(good.split(".")[1] ?? "", "base64url").toString();
    const wider = Buffer.from(claims.replaceAll(":prod/", ":*/")).toString("base64url");
    assert.equal(await rabbit.takes(`${header}.${wider}.${signature}`), false);
    assert.equal(await rabbit.takes(good), true);
  });

  test("until it expires: then RabbitMQ 4.3 closes the connection, and RabbitMQ 3 refuses operations", async () => {
    const issuer = await createIssuer(worker.config.signing!);
    const scopes = ["rabbitmq.configure:prod/*/*"];
    const short = issuer.signBrokerToken("shopper", { audience: "rabbitmq", scopes, lifetime: 3 });
    const connection = await rabbit.connect(short);
    const lost = once(connection, "close").then(([error]) => String(error));
    await waitUntil("the end of the token", async () => !(await rabbit.takes(short)), { seconds: 10 });
    if (isBroker(4, 3)) {
      assert.match(await lost, /CONNECTION_FORCED.*credential expired/i);
      return;
    }
    assert.equal(await attempt(connection, (one) => one.assertQueue("late", { exclusive: true })), "refused");
    await connection.updateSecret(Buffer.from(await brokerToken(worker, "operator")), "renewed");
    assert.equal(await attempt(connection, (one) => one.assertQueue("late", { exclusive: true })), "ok");
    await connection.close();
  });

  test("of the next key, once it is listed, and of the previous key", async () => {
    const before = await brokerToken(worker, "operator");
    const rotate = async (...args: string[]): Promise<void> => {
      const { code, stderr } = await runCli(["keys", "rotate", "--config", file, ...args]);
      assert.equal(code, 0, stderr);
      await worker.worker.useKeys(loadConfig(file, { keys: true, env: {} }));
    };
    await rotate("--alg", "ES256");
    await rabbit.reconfigure(file);
    await rotate("--now");
    const later = await brokerToken(worker, "operator");
    assert.deepEqual(
      [before, later].map((token) => algorithmOf(token)),
      ["EdDSA", "ES256"],
    );
    assert.deepEqual([await rabbit.takes(before), await rabbit.takes(later)], [true, true]);
    await rotate("--now"); // to a key that the broker does not have
    assert.equal(await rabbit.takes(await brokerToken(worker, "operator")), false);
    await rabbit.reconfigure(file);
    assert.equal(await rabbit.takes(await brokerToken(worker, "operator")), true);
    assert.equal(await rabbit.takes(before), true);
  });
});

test("the broker accepts tokens of every algorithm with a public key", { skip: lacksBroker }, async () => {
  const methods = SIGN_METHODS.filter((name) => !name.startsWith("HS"));
  const keys = methods.map((signmethod) => {
    const value = Buffer.from(generateSecret(signmethod).secret).toString("base64");
    return { type: "base64key", value, signmethod, until: "2199-01-01T00:00:00Z" };
  });
  const { until, ...active } = keys[0]!;
  const retiring = keys.slice(1);
  const jwt_creation = { issuer: "authmq", signmethod: active.signmethod, keys: { active, retiring } };
  const file = join(folderWith({ jwt_creation, broker_settings: CONFIG.broker_settings }), "config.json");
  const { signing } = loadConfig(file, { keys: true, env: {} });
  const conf = await rabbitMqConf(file, brokerVersion);
  await using rabbit = await startTokenBroker({ conf });
  await rabbit.makeVhost("prod");
  for (const { key, method } of [signing!, ...signing!.reserve]) {
    const issuer = await createIssuer({ ...signing!, key, method, reserve: [] });
    const scopes = ["rabbitmq.read:prod/*/*"];
    const token = issuer.signBrokerToken("alice", { audience: "rabbitmq", scopes, lifetime: 300 });
    assert.equal(algorithmOf(token), method);
    assert.equal(await rabbit.takes(token), true, method);
  }
  assert.deepEqual([signing!.reserve.length, until], [9, retiring[0]!.until]);
});

test("a broker that fetches the keys needs no change for a key rotation", { skip: lacksBroker }, async () => {
  const scratch = new Scratch();
  const port = await scratch.freePort();
  await using worker = await startWorker({
    config: { broker_settings: CONFIG.broker_settings, health_settings: { port } },
  });
  await worker.addUser("operator", PASSWORD, { groups: ["all"] });
  const file = join(folderWith(worker.raw), "config.json");
  const url = `http://127.0.0.1:${port}/.well-known/jwks.json`;
  await using rabbit = await startTokenBroker({
    conf: (await rabbitMqConf(file)).replaceAll(/^auth_oauth2\.(?:signing_keys|algorithms)\..*\n/gm, ""),
    advanced: `[{rabbitmq_auth_backend_oauth2, [{key_config, [{jwks_url, "${url}"}, {algorithms, [<<"EdDSA">>]}]}]}].\n`,
  });
  await rabbit.makeVhost("prod");
  const tokens = [await brokerToken(worker, "operator")];
  for (let turn = 0; turn < 3; turn++) {
    const { code, stderr } = await runCli(["keys", "rotate", "--now", "--config", file]);
    assert.equal(code, 0, stderr);
    await worker.worker.useKeys(loadConfig(file, { keys: true, env: {} }));
    tokens.push(await brokerToken(worker, "operator"));
    for (const token of tokens) assert.equal(await rabbit.takes(token), true);
  }
  await scratch.close();
});

function algorithmOf(token: string): string {
  const [header = ""] = token.split(".");
  return (JSON.parse(Buffer.from(header, "base64url").toString()) as { alg: string }).alg;
}
