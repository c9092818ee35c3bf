import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { generateSecret } from "../config/generate-key.ts";
import { ExitError } from "./exit.ts";

const CONFIG = "config.json";
const PRIVATE_KEY = "signing-key.pem";
const PUBLIC_KEY = "signing-key.pub.pem";
const BLOCKLIST = "common-passwords.txt";

/** So many of the most common passwords nobody may choose (OWASP ASVS 5.0, 6.2.4 asks for 3000). */
const MOST_COMMON = 10_000;

/** What a new installation begins with: what is not there has its default. */
const INITIAL_CONFIG = {
  jwt_creation: { issuer: "authmq", signmethod: "EdDSA", secret: { type: "keyfile", value: PRIVATE_KEY } },
  db_settings: { dialect: "sqlite" },
  amqp_settings: { host: "127.0.0.1", port: 5672, username: "guest", password: "guest", vhost: "/" },
  app_config: {
    allow_registration: false,
    anonymous_user_get: false,
    admin_group: "admin",
    default_vhost: "prod",
    password_regex: ".{12,}",
    password_blocklist: BLOCKLIST,
  },
  log_settings: { level: "info" },
};

/** `authmq init`. */
export function initCommand(): Command {
  return new Command("init")
    .description("write a configuration and a signing key for a new installation")
    .argument("[dir]", "folder to write to; made where it is missing", ".")
    .addHelpText("after", "\nOverwrites nothing.\n\nExamples:\n  $ authmq init\n  $ authmq init /etc/authmq")
    .action(async (dir: string) => {
      const { dictionary } = await import("@zxcvbn-ts/language-common");
      const common = dictionary["passwords-common"].slice(0, MOST_COMMON);
      const { secret, publicKey } = generateSecret("EdDSA");
      const files = [
        { name: CONFIG, content: `${JSON.stringify(INITIAL_CONFIG, null, 2)}\n`, mode: 0o600 },
        { name: PRIVATE_KEY, content: secret, mode: 0o600 },
        { name: PUBLIC_KEY, content: publicKey ?? "", mode: 0o644 },
        { name: BLOCKLIST, content: `${common.join("\n")}\n`, mode: 0o644 },
      ];
      const there = files.map(({ name }) => join(dir, name)).filter((path) => existsSync(path));
      if (there.length > 0)
        throw new ExitError(1, `${there.join(", ")} exists already: init overwrites nothing`);
      mkdirSync(dir, { recursive: true });
      for (const { name, content, mode } of files) {
        writeFileSync(join(dir, name), content, { mode, flag: "wx" });
        process.stdout.write(`${join(dir, name)}\n`);
      }
      const config = join(dir, CONFIG);
      process.stderr.write(
        `Next: look at ${config} (broker, database), then\n` +
          `  authmq migrate --config ${config}\n` +
          `  authmq admin create root --email root@example.com --config ${config}\n` +
          `  authmq serve --config ${config}\n`,
      );
    });
}
