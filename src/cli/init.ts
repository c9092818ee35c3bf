import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { generateSecret } from "../config/generate-key.ts";
import { parseConfig } from "../config/load.ts";
import { ExitError } from "./exit.ts";

const CONFIG = "config.json";
const PRIVATE_KEY = "signing-key.pem";
const PUBLIC_KEY = "signing-key.pub.pem";
const ENCRYPTION_KEY = "encryption-key.txt";
const BLOCKLIST = "common-passwords.txt";

/** Length of the blocklist of common passwords (OWASP ASVS 5.0, 6.2.4 asks for 3000). */
const MOST_COMMON = 10_000;

/** Variables that set the broker's vhost; all others are ignored, because they may name files that do not exist yet. */
const VHOST_VARIABLE = /^(?:AMQP_URL|AUTHMQ__AMQP_SETTINGS(?:__(?:URL|VHOST)(?:_FILE)?)?)$/i;

/**
 * The configuration of a new installation; an absent key has its default. It omits the addresses of broker and
 * database, because an explicit key takes precedence over AMQP_URL and DATABASE_URL.
 */
const initialConfig = (defaultVhost: string) => ({
  jwt_creation: { issuer: "authmq", signmethod: "EdDSA", secret: { type: "keyfile", value: PRIVATE_KEY } },
  encryption_keys: { active: { type: "keyfile", value: ENCRYPTION_KEY } },
  db_settings: {},
  amqp_settings: {},
  app_config: {
    allow_registration: false,
    anonymous_user_get: false,
    admin_group: "admin",
    default_vhost: defaultVhost,
    sessions_per_user: 10,
    session_renewal_time: 43_200,
    second_factor: "off",
    reauthentication_time: 15,
    password_regex: ".{12,}",
    password_blocklist: BLOCKLIST,
  },
  log_settings: { level: "info" },
});

/** `authmq init`. */
export function initCommand(): Command {
  return new Command("init")
    .description("write a configuration and keys for a new installation")
    .argument("[dir]", "folder to write to; created if missing", ".")
    .addHelpText(
      "after",
      `
Never overwrites a file. Sets default_vhost, the vhost of tokens, to the vhost in AMQP_URL or
AUTHMQ__AMQP_SETTINGS__VHOST.

Examples:
  $ authmq init
  $ AMQP_URL=amqp://user:password@rabbit/orders authmq init /etc/authmq`,
    )
    .action(async (dir: string) => {
      const { dictionary } = await import("@zxcvbn-ts/language-common");
      const common = dictionary["passwords-common"].slice(0, MOST_COMMON);
      const { secret, publicKey } = generateSecret("EdDSA");
      const files = [
        { name: CONFIG, content: `${JSON.stringify(initialConfig(brokerVhost()), null, 2)}\n`, mode: 0o600 },
        { name: PRIVATE_KEY, content: secret, mode: 0o600 },
        { name: PUBLIC_KEY, content: publicKey ?? "", mode: 0o644 },
        { name: ENCRYPTION_KEY, content: generateSecret("HS256").secret, mode: 0o600 },
        { name: BLOCKLIST, content: `${common.join("\n")}\n`, mode: 0o644 },
      ];
      const existing = files.map(({ name }) => join(dir, name)).filter((path) => existsSync(path));
      if (existing.length > 0)
        throw new ExitError(
          1,
          `${existing.join(", ")} already exists, and init never overwrites a file: use what exists, or name another folder`,
        );
      mkdirSync(dir, { recursive: true });
      for (const { name, content, mode } of files) {
        writeFileSync(join(dir, name), content, { mode, flag: "wx" });
        process.stdout.write(`${join(dir, name)}\n`);
      }
      const config = join(dir, CONFIG);
      process.stderr.write(
        `Next: name the broker and the database in AMQP_URL and DATABASE_URL, or in ${config}\n` +
          "(default: RabbitMQ on this host, and SQLite). Then run:\n" +
          `  authmq migrate --config ${config}\n` +
          `  authmq admin create root --email root@example.com --config ${config}\n` +
          `  authmq serve --config ${config}\n`,
      );
    });
}

/** The broker's vhost from the environment; throws ConfigError if it is not a valid `default_vhost`. */
function brokerVhost(): string {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => VHOST_VARIABLE.test(name)));
  const { vhost } = parseConfig({}, { env, keys: false, folder: "." }).amqp;
  return parseConfig({ app_config: { default_vhost: vhost } }, { env: {}, keys: false, folder: "." }).app
    .default_vhost;
}
