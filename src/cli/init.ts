import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { generateSecret } from "../config/generate-key.ts";
import { parseConfig } from "../config/load.ts";
import { ExitError } from "./exit.ts";

const CONFIG = "config.json";
const PRIVATE_KEY = "signing-key.pem";
const PUBLIC_KEY = "signing-key.pub.pem";
const BLOCKLIST = "common-passwords.txt";

/** So many of the most common passwords nobody may choose (OWASP ASVS 5.0, 6.2.4 asks for 3000). */
const MOST_COMMON = 10_000;

/** What concerns the broker's vhost; other variables may name files that are not here. */
const VHOST_VARIABLE = /^(?:AMQP_URL|AUTHMQ__AMQP_SETTINGS(?:__(?:URL|VHOST)(?:_FILE)?)?)$/i;

/**
 * The configuration of a new installation; an absent key has its default. It has no addresses of broker and database,
 * because an explicit key takes precedence over AMQP_URL and DATABASE_URL.
 */
const initialConfig = (defaultVhost: string) => ({
  jwt_creation: { issuer: "authmq", signmethod: "EdDSA", secret: { type: "keyfile", value: PRIVATE_KEY } },
  db_settings: {},
  amqp_settings: {},
  app_config: {
    allow_registration: false,
    anonymous_user_get: false,
    admin_group: "admin",
    default_vhost: defaultVhost,
    password_regex: ".{12,}",
    password_blocklist: BLOCKLIST,
  },
  log_settings: { level: "info" },
});

/** `authmq init`. */
export function initCommand(): Command {
  return new Command("init")
    .description("write a configuration and a signing key for a new installation")
    .argument("[dir]", "folder to write to; made where it is missing", ".")
    .addHelpText(
      "after",
      `
Overwrites nothing. Tokens are for the broker's vhost (default_vhost): that of AMQP_URL, or of AUTHMQ__AMQP_SETTINGS__VHOST.

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
        { name: BLOCKLIST, content: `${common.join("\n")}\n`, mode: 0o644 },
      ];
      const there = files.map(({ name }) => join(dir, name)).filter((path) => existsSync(path));
      if (there.length > 0)
        throw new ExitError(
          1,
          `${there.join(", ")} exists already, and init overwrites nothing: go on with what is there, or name another folder`,
        );
      mkdirSync(dir, { recursive: true });
      for (const { name, content, mode } of files) {
        writeFileSync(join(dir, name), content, { mode, flag: "wx" });
        process.stdout.write(`${join(dir, name)}\n`);
      }
      const config = join(dir, CONFIG);
      process.stderr.write(
        `Next: name the broker and the database by AMQP_URL and DATABASE_URL, or in ${config}\n` +
          "(without: RabbitMQ on this host, and SQLite), then\n" +
          `  authmq migrate --config ${config}\n` +
          `  authmq admin create root --email root@example.com --config ${config}\n` +
          `  authmq serve --config ${config}\n`,
      );
    });
}

/** The vhost of the broker that this environment names; throws ConfigError where it cannot be one of tokens. */
function brokerVhost(): string {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => VHOST_VARIABLE.test(name)));
  const { vhost } = parseConfig({}, { env, keys: false, folder: "." }).amqp;
  return parseConfig({ app_config: { default_vhost: vhost } }, { env: {}, keys: false, folder: "." }).app
    .default_vhost;
}
