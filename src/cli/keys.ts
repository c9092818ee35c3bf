import { Command, Option } from "commander";
import { generateSecret } from "../config/generate-key.ts";
import { SIGN_METHODS, type SignMethod } from "../config/sections/jwt.ts";

/** `authmq keys generate`. */
export function keysCommand(): Command {
  const generate = new Command("generate")
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
  return new Command("keys").description("make keys for tokens").addCommand(generate);
}
