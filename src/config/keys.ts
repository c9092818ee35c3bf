import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf } from "../errors.ts";
import { BadSetting, describeFileError } from "./fault.ts";
import type { SecretSetting, SignMethod } from "./sections/jwt.ts";

/** What each family of algorithms needs for a key (RFC 7518 section 3, RFC 8037). */
const FAMILIES = {
  HS: { type: "secret", need: "a shared secret" },
  RS: { type: "rsa", need: "an RSA key of at least 2048 bits" },
  PS: { type: "rsa", need: "an RSA key of at least 2048 bits" },
  ES: { type: "ec", need: "an EC key on the curve of the algorithm" },
  Ed: { type: "ed25519", need: "an Ed25519 key" },
} as const;

const CURVES: Readonly<Record<string, string>> = {
  ES256: "prime256v1",
  ES384: "secp384r1",
  ES512: "secp521r1",
};

/** The private key or shared secret that signs with `method`; throws BadSetting with what is wrong. */
export function readSigningKey(secret: SecretSetting, method: SignMethod, folder: string): KeyObject {
  const bytes = readBytes(secret, folder);
  if (isSymmetric(method)) return readSharedSecret(bytes, [method]);
  const key = readPrivateKey(bytes, secret);
  checkKey(key, method);
  return key;
}

/** The public key or shared secret that verifies all of `methods`; throws BadSetting with what is wrong. */
export function readVerificationKey(
  secret: SecretSetting,
  methods: readonly SignMethod[],
  folder: string,
): KeyObject {
  const bytes = readBytes(secret, folder);
  if (methods.some(isSymmetric)) {
    // One key for both kinds is the algorithm confusion attack: the public key would become an HMAC secret.
    if (!methods.every(isSymmetric))
      throw new BadSetting("HS* cannot be mixed with other methods on one key");
    return readSharedSecret(bytes, methods);
  }
  const key = readPem(bytes, () => createPublicKey(bytes), "public key");
  for (const method of methods) checkKey(key, method);
  return key;
}

/** What the key of stored digests is made of: a private key, or a secret of 32 bytes; throws BadSetting. */
export function readFingerprintKey(secret: SecretSetting, folder: string): KeyObject {
  const bytes = readBytes(secret, folder);
  return bytes.includes("-----BEGIN") ? readPrivateKey(bytes, secret) : readSharedSecret(bytes, ["HS256"]);
}

/** Throws BadSetting where a secret cannot be read, whatever it is for. */
export function checkReadable(secret: SecretSetting, folder: string): undefined {
  readBytes(secret, folder);
}

/** Whether signer and verifier share the key of this algorithm. */
export function isSymmetric(method: SignMethod): boolean {
  return method.startsWith("HS");
}

/** The key that verifies what `key` signs. */
export function verificationKeyOf(key: KeyObject): KeyObject {
  return key.type === "private" ? createPublicKey(key) : key;
}

/** Whether two keys are the same, or halves of the same pair. */
export function isSameKey(a: KeyObject, b: KeyObject): boolean {
  // KeyObject.equals() on two kinds of keys leaves an error in OpenSSL's queue, and the next good PEM is then refused.
  return (a.type === "secret") === (b.type === "secret") && publicBytes(a).equals(publicBytes(b));
}

function publicBytes(key: KeyObject): Buffer {
  return key.type === "secret"
    ? key.export()
    : verificationKeyOf(key).export({ type: "spki", format: "der" });
}

function readBytes(secret: SecretSetting, folder: string): Buffer {
  switch (secret.type) {
    case "plain":
      return Buffer.from(secret.value);
    case "base64plain":
    case "base64key":
      return decodeBase64(secret.value);
    case "keyfile":
      return readKeyFile(resolve(folder, secret.value));
  }
}

function decodeBase64(text: string): Buffer {
  const compact = text.replaceAll(/\s/g, "");
  const bytes = Buffer.from(compact, "base64");
  if (bytes.toString("base64").replace(/=+$/, "") !== compact.replace(/=+$/, "")) {
    throw new BadSetting("is not base64");
  }
  return bytes;
}

function readKeyFile(path: string): Buffer {
  try {
    const bytes = readFileSync(path);
    // An editor ends a text file with a newline; no secret means to.
    return bytes.at(-1) === 0x0a ? bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1) : bytes;
  } catch (error) {
    // Its path stays out: where a key is put instead of one, it would be told.
    throw new BadSetting(`cannot read the key file: ${describeFileError(error)}`);
  }
}

function readSharedSecret(bytes: Buffer, methods: readonly SignMethod[]): KeyObject {
  if (bytes.includes("-----BEGIN")) throw new BadSetting("is a PEM key: HS* needs a shared secret");
  const needed = Math.max(...methods.map((method) => Number(method.slice(2)) / 8));
  if (bytes.length < needed) {
    throw new BadSetting(
      `has ${bytes.length} bytes; ${methods.join(", ")} needs at least ${needed} (RFC 7518 section 3.2). ` +
        `"authmq keys generate --alg HS${needed * 8}" makes one`,
    );
  }
  return createSecretKey(bytes);
}

function readPrivateKey(bytes: Buffer, { secret: passphrase = "" }: SecretSetting): KeyObject {
  return readPem(bytes, () => createPrivateKey({ key: bytes, passphrase }), "private key");
}

function readPem(bytes: Buffer, parse: () => KeyObject, what: string): KeyObject {
  if (!bytes.includes("-----BEGIN")) throw new BadSetting(`is not a PEM ${what}`);
  try {
    return parse();
  } catch (error) {
    throw new BadSetting(
      `cannot be read as a PEM ${what} (wrong kind, damaged, or wrong passphrase): ${messageOf(error)}`,
    );
  }
}

function checkKey(key: KeyObject, method: SignMethod): void {
  const family = Object.entries(FAMILIES).find(([name]) => method.startsWith(name))?.[1];
  const details = key.asymmetricKeyDetails ?? {};
  const fits =
    key.asymmetricKeyType === family?.type &&
    (family?.type !== "rsa" || (details.modulusLength ?? 0) >= 2048) &&
    (family?.type !== "ec" || details.namedCurve === CURVES[method]);
  if (!fits)
    throw new BadSetting(`is ${String(key.asymmetricKeyType)}; ${method} needs ${family?.need ?? "another"}`);
}
