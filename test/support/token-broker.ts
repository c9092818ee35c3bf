import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ChannelModel, connect } from "amqplib";
import { newFolder, runCli } from "./cli.ts";
import { type RabbitMq, startRabbitMq } from "./servers/rabbitmq.ts";
import { Scratch } from "./servers/scratch.ts";

const PLUGIN = "rabbitmq_auth_backend_oauth2";

/** Why there can be no broker with the plugin here; a container has no configuration of ours. */
export const lacksBroker = existsSync("/usr/lib/rabbitmq/bin/rabbitmq-server")
  ? false
  : "RabbitMQ is not installed here";

/** A RabbitMQ of its own that takes broker tokens as passwords. */
export interface TokenBroker extends AsyncDisposable {
  readonly broker: RabbitMq;
  makeVhost(name: string): Promise<void>;
  /** A connection with a token as its password; throws where that is refused. */
  connect(token: string, vhost?: string, username?: string): Promise<ChannelModel>;
  /** Whether a token is taken as a password on a vhost. */
  takes(token: string, vhost?: string): Promise<boolean>;
  /** Asks the management API, as its administrator or with a token as the password. */
  ask(path: string, token?: string): Promise<{ status: number; body: unknown }>;
  /** Starts it again with what `authmq rabbitmq-config` prints now. */
  reconfigure(file: string): Promise<void>;
}

/** What `authmq rabbitmq-config` prints for a configuration file; the keys lie in a folder of their own. */
export async function rabbitMqConf(file: string): Promise<string> {
  const { code, stdout, stderr } = await runCli([
    "rabbitmq-config",
    "--config",
    file,
    "--key-dir",
    newFolder(),
  ]);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

/** Starts RabbitMQ with the plugin, and with lines of rabbitmq.conf or Erlang terms of advanced.config. */
export async function startTokenBroker(options: { conf: string; advanced?: string }): Promise<TokenBroker> {
  const { conf, advanced } = options;
  const scratch = new Scratch();
  const broker = await startRabbitMq(scratch, {
    mode: "installed",
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
      vhost: encodeURIComponent(vhost), // which amqplib takes back
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
        // Anything but a refusal is no answer.
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
