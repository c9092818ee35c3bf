import { Command, Option } from "commander";
import { generateSecret } from "../config/generate-key.ts";
import { SIGN_METHODS, type SignMethod } from "../config/sections/jwt.ts";
import { ExitError } from "./exit.ts";
import { type RingEntry, rotateKeys } from "./keys/rotate.ts";
import { configOption, findConfig } from "./options.ts";

interface RotateOptions {
  readonly config?: string;
  readonly alg?: SignMethod;
  readonly now?: true;
  readonly compromised?: true;
}

/** `authmq keys`. */
export function keysCommand(): Command {
  return new Command("keys")
    .description("make keys for tokens, and change them while tokens are in use")
    .addCommand(generateCommand())
    .addCommand(rotateCommand());
}

function generateCommand(): Command {
  return new Command("generate")
    .description("print a new key pair as PEM (private first), or a shared secret as base64")
    .addOption(
      new Option("--alg <alg>", "algorithm that it is for").choices(SIGN_METHODS).makeOptionMandatory(),
    )
    .addHelpText(
      "after",
      `
With HS* every service that can verify a token can also make one: prefer EdDSA.
A secret goes into the configuration as {"type": "base64plain", "value": "..."}, a PEM file as "keyfile".

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
    .description("turn the key ring in the configuration: the next key signs, the one before retires")
    .addOption(configOption())
    .addOption(
      new Option("--alg <alg>", "algorithm of new keys, where it is to change").choices(SIGN_METHODS),
    )
    .option("--now", "let a key sign that verifiers may not know yet")
    .addOption(
      new Option(
        "--compromised",
        "somebody else may have the keys: make all of them anew; every token is dead, and everybody logs in again",
      ).conflicts("now"),
    )
    .addHelpText(
      "after",
      `
The first rotation only makes the next key, which is published (queue jwks, /.well-known/jwks.json) long before it
signs. Each later one lets the next key sign, keeps the one before until its last token has expired, and makes another
next key. New keys are files next to the configuration, which is replaced in one step. After each rotation reload all
workers: kill -HUP. No token becomes invalid and no request is dropped, as long as all of them are within an hour.

Examples:
  $ authmq keys rotate --config /etc/authmq/config.json && systemctl reload authmq
  $ authmq keys rotate --alg ES256
  $ authmq keys rotate --compromised`,
    )
    .action(async ({ config, alg, now, compromised }: RotateOptions) => {
      const file = findConfig(config);
      if (file === undefined)
        throw new ExitError(1, 'there is no configuration file to edit: "authmq init" writes one');
      const { ring, unused } = await rotateKeys(file, {
        alg,
        atOnce: now === true,
        isCompromised: compromised === true,
      });
      process.stdout.write(ring.map(describeKey).join(""));
      for (const name of unused) process.stderr.write(`${name} is not used any more: remove it\n`);
      process.stderr.write(
        "Next: reload all workers (kill -HUP), on every host that has this configuration\n",
      );
    });
}

function describeKey({ state, alg, kid, until }: RingEntry): string {
  return `${state.padEnd(8)}  ${alg.padEnd(5)}  ${kid}${until === undefined ? "" : `  until ${until}`}\n`;
}
