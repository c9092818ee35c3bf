import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ChannelModel, connect } from "amqplib";
import { newFolder, runCli } from "./cli.ts";
import { type RabbitMq, startRabbitMq } from "./servers/rabbitmq.ts";
import { Scratch } from "./servers/scratch.ts";
import { isContainer } from "./servers/sources.ts";

const PLUGIN = "rabbitmq_auth_backend_oauth2";

/** Why no broker with the plugin can be started on this machine; false if it can. */
export const lacksBroker = isContainer("rabbitmq") && "a container cannot be configured";

/** Its own RabbitMQ, which accepts broker tokens as passwords. */
export interface TokenBroker extends AsyncDisposable {
  readonly broker: RabbitMq;
  makeVhost(name: string): Promise<void>;
  /** Connects with a token as the password; throws if the broker refuses it. */
  connect(token: string, vhost?: string, username?: string): Promise<ChannelModel>;
  /** Whether the broker accepts a token as the password on a vhost. */
  takes(token: string, vhost?: string): Promise<boolean>;
  /** Calls the management API, as its administrator or with a token as the password. */
  ask(path: string, token?: string): Promise<{ status: number; body: unknown }>;
  /** Restarts it with the current output of `authmq rabbitmq-config`. */
  reconfigure(file: string): Promise<void>;
}

/**
 * The output of `authmq rabbitmq-config` for a configuration file, and for a version of RabbitMQ if given; the keys are
 * in their own folder.
 */
export async function rabbitMqConf(file: string, version?: string): Promise<string> {
  const { code, stdout, stderr } = await runCli([
    ...["rabbitmq-config", "--config", file, "--key-dir", newFolder()],
    ...(version === undefined ? [] : ["--rabbitmq", version]),
  ]);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

/** Starts RabbitMQ with the plugin, lines of rabbitmq.conf, and optionally Erlang terms of advanced.config. */
export async function startTokenBroker(options: { conf: string; advanced?: string }): Promise<TokenBroker> {
  const { conf, advanced } = options;
  const scratch = new Scratch();
  const broker = await startRabbitMq(scratch, {
    plugins: [PLUGIN],
    files: { "authmq.conf": conf },
    ...(advanced === undefined ? {} : { advanced }),
  });
  const { origin, username: admin, password } = new URL(broker.managementUrl);
  const api = (method: string, path: string, user: string, secret: string): Promise<Response> => {
    const authorization = `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`;
    return fetch(`${origin}/api/${path}`, {
      method,
      headers: { authorization, "content-type": "application/json" },
    });
  };
  const open = async (token: string, vhost = "prod", username = "anybody"): Promise<ChannelModel> => {
    const connection = await connect({
      hostname: broker.host,
      port: broker.port,
      username,
      password: token,
      vhost: encodeURIComponent(vhost), // amqplib decodes it
    });
    connection.on("error", () => undefined);
    return connection;
  };
  return {
    broker,
    async makeVhost(name) {
      const { ok, status } = await api("PUT", `vhosts/${encodeURIComponent(name)}`, admin, password);
      if (!ok) throw new Error(`${name}: ${status}`);
    },
    connect: open,
    async takes(token, vhost) {
      try {
        await (await open(token, vhost)).close();
        return true;
      } catch (error) {
        // Any error except a refusal is a failure of the test.
        if (/ACCESS.REFUSED|NOT_ALLOWED/.test(String(error))) return false;
        throw error;
      }
    },
    async ask(path, token) {
      const response = await (token === undefined
        ? api("GET", path, admin, password)
        : api("GET", path, "anybody", token));
      return { status: response.status, body: await response.json() };
    },
    async reconfigure(file) {
      if (broker.configFolder === undefined) throw new Error("the broker runs in a container");
      writeFileSync(join(broker.configFolder, "authmq.conf"), await rabbitMqConf(file));
      await broker.restart();
    },
    [Symbol.asyncDispose]: () => scratch.close(),
  };
}
