import { createPublicKey } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command, Option } from "commander";
import { ConfigError } from "../config/fault.ts";
import { type Config, loadConfig } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import { keyIdOf } from "../tokens/jwks.ts";
import { ExitError } from "./exit.ts";
import { configOption, findConfig } from "./options.ts";

interface RabbitMqOptions {
  readonly config?: string;
  readonly keyDir: string;
}

/** `authmq rabbitmq-config`. */
export function rabbitMqConfigCommand(): Command {
  return new Command("rabbitmq-config")
    .description("print what RabbitMQ needs in rabbitmq.conf to take broker tokens as passwords")
    .addOption(configOption())
    .addOption(
      new Option(
        "--key-dir <dir>",
        "folder for the public keys, which are written to it; RabbitMQ reads them there",
      ).default("."),
    )
    .addHelpText(
      "after",
      `
It is for RabbitMQ 3.10 with the plugin rabbitmq_auth_backend_oauth2, and lists all keys of the ring: print it anew after
each "authmq keys rotate", and restart RabbitMQ before the next one.

Examples:
  $ authmq rabbitmq-config --key-dir /etc/rabbitmq/authmq > /etc/rabbitmq/conf.d/authmq.conf
  $ rabbitmq-plugins enable rabbitmq_auth_backend_oauth2`,
    )
    .action(async ({ config: given, keyDir }: RabbitMqOptions) => {
      const config = loadConfig(findConfig(given), { keys: true });
      const keys = await publicKeysOf(config);
      const text = rabbitMqConf(config, keys, keyDir);
      for (const key of keys) writeKey(keyDir, key);
      process.stdout.write(text);
      process.stderr.write(`${keys.length} public keys are in ${resolve(keyDir)}\n`);
    });
}

function writeKey(folder: string, { file, pem }: BrokerKey): void {
  const path = join(folder, file);
  try {
    writeFileSync(path, pem);
    chmodSync(path, 0o644); // whatever the umask: the broker is another user, and does not start without its keys
  } catch (error) {
    const advice = `cannot write to ${folder}: ${messageOf(error)}; make the folder, or name another one with --key-dir`;
    throw new ExitError(1, advice, { cause: error });
  }
}

interface BrokerKey {
  readonly kid: string;
  readonly algorithm: string;
  readonly file: string;
  readonly pem: string;
}

/** The keys that sign tokens, will sign them, or have signed some that may still be valid. */
async function publicKeysOf({ signing }: Config): Promise<BrokerKey[]> {
  if (signing === undefined) return [];
  const inUse = signing.reserve.filter(({ until }) => until === undefined || until > new Date());
  const keys = [signing, ...inUse].map(async ({ key, method: algorithm }) => {
    const kid = await keyIdOf(key);
    if (kid === undefined) return [];
    const pem = createPublicKey(key).export({ type: "spki", format: "pem" }).toString();
    return [{ kid, algorithm, file: `authmq-${kid}.pem`, pem }];
  });
  return (await Promise.all(keys)).flat();
}

function rabbitMqConf({ app }: Config, keys: readonly BrokerKey[], folder: string): string {
  if (app.brokerTokens === undefined)
    throw new ConfigError([{ path: "broker_settings", msg: "is missing: no broker tokens are given" }]);
  const algorithms = [...new Set(keys.map(({ algorithm }) => algorithm))];
  const lines = [
    "# By authmq rabbitmq-config, for RabbitMQ 3.10. Passwords go on working: a token is tried after them.",
    "auth_backends.1 = rabbit_auth_backend_internal",
    "auth_backends.2 = rabbit_auth_backend_oauth2",
    `auth_oauth2.resource_server_id = ${app.brokerTokens.resourceServerId}`,
    ...keys.map(({ kid, file }) => `auth_oauth2.signing_keys.${kid} = ${resolve(folder, file)}`),
    ...algorithms.map((name, index) => `auth_oauth2.algorithms.${index + 1} = ${name}`),
  ];
  return `${lines.join("\n")}\n`;
}
