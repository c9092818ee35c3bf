import { Command, Option } from "commander";
import { generateSecret } from "../config/generate-key.ts";
import { SIGN_METHODS, type SignMethod } from "../config/sections/jwt.ts";
import { ExitError } from "./exit.ts";
import { type RingEntry, rotateKeys } from "./keys/rotate.ts";
import { encryptSecrets, rotateSecrets } from "./keys/report-secrets.ts";
import { configOption, findConfig } from "./options.ts";

interface RotateOptions {
  readonly config?: string;
  readonly alg?: SignMethod;
  readonly now?: true;
  readonly compromised?: true;
  readonly secrets?: true;
  readonly keyOnly?: true;
  readonly rowsOnly?: true;
}

/** `authmq keys`. */
export function keysCommand(): Command {
  return new Command("keys")
    .description("generate and rotate keys")
    .addCommand(generateCommand())
    .addCommand(rotateCommand());
}

function generateCommand(): Command {
  return new Command("generate")
    .description("print a new key pair as PEM (private first), or a shared secret as base64")
    .addOption(new Option("--alg <alg>", "algorithm of the key").choices(SIGN_METHODS).makeOptionMandatory())
    .addHelpText(
      "after",
      `
Prefer EdDSA: with HS*, every service that can verify tokens can also issue them.
In the configuration, a secret is {"type": "base64plain", "value": "..."}, and a PEM file has the type "keyfile".

Examples:
  $ authmq keys generate --alg EdDSA
  $ authmq keys generate --alg HS256`,
    )
    .action(({ alg }: { alg: SignMethod }) => {
      const { secret, publicKey } = generateSecret(alg);
      process.stdout.write(`${secret}${publicKey ?? ""}`);
    });
}

function rotateCommand(): Command {
  return new Command("rotate")
    .description("rotate the key ring in the configuration: the next key signs, and the previous key retires")
    .addOption(configOption())
    .addOption(new Option("--alg <alg>", "algorithm of new keys (default: unchanged)").choices(SIGN_METHODS))
    .option("--now", "sign with the next key even if verifiers may not have fetched it yet")
    .addOption(
      new Option(
        "--compromised",
        "replace all keys after a leak: every token becomes invalid, and all users must log in again",
      ).conflicts("now"),
    )
    .addOption(
      new Option(
        "--secrets",
        "rotate encryption_keys instead: make a key, and encrypt the TOTP secrets in the database with it",
      ).conflicts(["alg", "now", "compromised"]),
    )
    .addOption(
      new Option("--key-only", "with --secrets: make the key, and leave the database").conflicts("rowsOnly"),
    )
    .option("--rows-only", "with --secrets: make no key, and encrypt the database with the active key")
    .addHelpText(
      "after",
      `
The first rotation only creates the next key. It is published (queue jwks, /.well-known/jwks.json) long before it signs.
Each later rotation signs with the next key, keeps the previous key until its last token has expired, and creates
another next key. New keys are files next to the configuration file, which is replaced atomically. After each rotation,
reload all workers (kill -HUP) within an hour: then no token becomes invalid and no request is dropped.

--secrets makes no key while retiring keys encrypt secrets: it encrypts these first. If it was interrupted, run it again.
With several hosts, use --key-only, copy the files to all hosts, reload all workers, and then use --rows-only.

Examples:
  $ authmq keys rotate --config /etc/authmq/config.json && systemctl reload 'authmq@*'
  $ authmq keys rotate --alg ES256
  $ authmq keys rotate --compromised
  $ authmq keys rotate --secrets --config /etc/authmq/config.json && systemctl reload 'authmq@*'`,
    )
    .action(rotate);
}

async function rotate(options: RotateOptions): Promise<void> {
  const { config, alg, now, compromised, secrets, keyOnly, rowsOnly } = options;
  if (secrets === undefined && (keyOnly ?? rowsOnly) !== undefined)
    throw new ExitError(2, "--key-only and --rows-only need --secrets");
  const file = findConfig(config);
  if (secrets === true && rowsOnly === true) {
    await encryptSecrets(file);
    return;
  }
  if (file === undefined)
    throw new ExitError(1, 'there is no configuration file to edit: write one with "authmq init"');
  if (secrets === true) {
    await rotateSecrets(file, { encryptsRows: keyOnly !== true });
    return;
  }
  const { ring, unused } = await rotateKeys(file, {
    alg,
    atOnce: now === true,
    isCompromised: compromised === true,
  });
  process.stdout.write(ring.map(describeKey).join(""));
  for (const name of unused) process.stderr.write(`${name} is no longer used: remove it\n`);
  process.stderr.write("Next: reload all workers that use this configuration (kill -HUP), on every host\n");
}

function describeKey({ state, alg, kid, until }: RingEntry): string {
  return `${state.padEnd(8)}  ${alg.padEnd(5)}  ${kid}${until === undefined ? "" : `  until ${until}`}\n`;
}
