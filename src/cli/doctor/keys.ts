import type { KeyObject } from "node:crypto";
import { encryptionKeyId } from "../../auth/second-factor/secret-box.ts";
import type { Config } from "../../config/load.ts";
import type { SignMethod } from "../../config/sections/jwt.ts";
import { createIssuer } from "../../tokens/issuer.ts";
import { createValidator } from "../../tokens/validator.ts";
import { readCompact } from "../../wire/compact.ts";
import { encryptionFindings } from "./encryption.ts";
import { fileFindings, keyFiles } from "./files.ts";
import { type Finding, findingsOn } from "./finding.ts";

const on = findingsOn("keys");

/** 32 random characters, even hexadecimal ones, have more distinct bytes, except for three in a million. */
const FEW_BYTES = 8;

/** Typical of secrets that people invent; less than one in a thousand random secrets matches. */
const WORDS = /\s|secret|passw|change|example|default|token|admin|authmq|test|qwert|12345|abcde/i;

/** Checks that tokens can be signed and verified, and that secrets are not easy to guess. */
export async function keyFindings(file: string | undefined, config: Config): Promise<Finding[]> {
  return [
    ...(await signingFindings(config)),
    ...config.issuers.flatMap(({ name, keys }) =>
      keys.flatMap(({ key, methods }) =>
        key.type === "secret"
          ? secretFindings(`the secret of ${name}`, key.export(), adviceFor(methods))
          : [],
      ),
    ),
    ...encryptionFindings(config),
    ...encryptionKeysOf(config).flatMap((key) =>
      secretFindings(
        `the encryption key ${encryptionKeyId(key)}`,
        key.export(),
        "Make a random one: authmq keys rotate --secrets",
      ),
    ),
    ...fileFindings(on, keyFiles(file, config.origins)),
  ];
}

async function signingFindings({ signing, issuers }: Config): Promise<Finding[]> {
  if (signing === undefined) return [];
  const { method, issuer } = signing;
  const tokens = await createIssuer(signing);
  const token = tokens.signAccessToken(
    { username: "doctor", groups: [] },
    { grant: { sid: 0n }, vhost: "-", lifetime: 60 },
  );
  if (createValidator(signing, issuers).verifyAccessToken(token) === undefined)
    return [
      on.fail("this installation rejects the tokens that it signs", "Check jwt_creation and jwt_validation."),
    ];
  const kid = readCompact(token)?.kid;
  if (kid !== undefined) return [on.ok(`${method} signs and verifies as ${issuer}, key id ${kid}`)];
  return [
    on.ok(`${method} signs and verifies as ${issuer}`),
    on.warn(
      `${method} is symmetric: every service that can verify tokens can also issue them`,
      "Use EdDSA, which verifies with a public key: authmq keys generate --alg EdDSA",
    ),
  ];
}

function encryptionKeysOf({ encryption }: Config): KeyObject[] {
  return encryption === undefined ? [] : [encryption.active, ...encryption.retiring];
}

function adviceFor(methods: readonly SignMethod[]): string {
  return `Generate a random one: authmq keys generate --alg ${methods.join(" or ")}`;
}

function secretFindings(what: string, secret: Buffer, advice: string): Finding[] {
  const few = new Set(secret).size;
  if (few <= FEW_BYTES)
    return [on.fail(`${what} can be guessed: it has only ${few} different bytes`, advice)];
  const text = secret.toString("latin1");
  const isTyped = /^[\t\n\r -~]+$/.test(text) && (!/\d/.test(text) || WORDS.test(text));
  return isTyped ? [on.warn(`${what} looks typed by hand, and may be easy to guess`, advice)] : [];
}
