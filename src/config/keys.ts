import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf } from "../errors.ts";
import { BadSetting, describeFileError } from "./fault.ts";
import type { SecretSetting, SignMethod } from "./sections/jwt.ts";

/** The key type for each family of algorithms (RFC 7518 section 3, RFC 8037). */
const FAMILIES = {
  HS: { type: "secret", need: "a shared secret" },
  RS: { type: "rsa", need: "an RSA key of at least 2048 bits" },
  PS: { type: "rsa", need: "an RSA key of at least 2048 bits" },
  ES: { type: "ec", need: "an EC key on the curve of the algorithm" },
  Ed: { type: "ed25519", need: "an Ed25519 key" },
} as const;

const ENCRYPTION_KEY_BYTES = 32;

const CURVES: Readonly<Record<string, string>> = {
  ES256: "prime256v1",
  ES384: "secp384r1",
  ES512: "secp521r1",
};

/** Reads the private key or shared secret for signing with `method`; throws BadSetting. */
export function readSigningKey(secret: SecretSetting, method: SignMethod, folder: string): KeyObject {
  const bytes = readBytes(secret, folder);
  if (isSymmetric(method)) return readSharedSecret(bytes, [method]);
  const key = readPrivateKey(bytes, secret);
  checkKey(key, method);
  return key;
}

/** Reads the public key or shared secret for verifying all of `methods`; throws BadSetting. */
export function readVerificationKey(
  secret: SecretSetting,
  methods: readonly SignMethod[],
  folder: string,
): KeyObject {
  const bytes = readBytes(secret, folder);
  if (methods.some(isSymmetric)) {
    // Algorithm confusion attack: a public key must not become an HMAC secret.
    if (!methods.every(isSymmetric))
      throw new BadSetting("HS* cannot be mixed with other methods on one key");
    return readSharedSecret(bytes, methods);
  }
  const key = readPem(bytes, () => createPublicKey(bytes), "public key");
  for (const method of methods) checkKey(key, method);
  return key;
}

/** Reads the secret for stored digests: a private key, or a secret of at least 32 bytes; throws BadSetting. */
export function readFingerprintKey(secret: SecretSetting, folder: string): KeyObject {
  const bytes = readBytes(secret, folder);
  return bytes.includes("-----BEGIN") ? readPrivateKey(bytes, secret) : readSharedSecret(bytes, ["HS256"]);
}

/**
 * Reads a key for AES-256; throws BadSetting. A file has the 32 bytes, or their base64, because that is what
 * `authmq keys generate --alg HS256` prints.
 */
export function readEncryptionKey(secret: SecretSetting, folder: string): KeyObject {
  const bytes =
    secret.type === "keyfile" ? keyInFile(resolve(folder, secret.value)) : readBytes(secret, folder);
  if (bytes.length === ENCRYPTION_KEY_BYTES) return createSecretKey(bytes);
  throw new BadSetting(
    `has ${bytes.length} bytes; an encryption key has exactly ${ENCRYPTION_KEY_BYTES}. Generate one of the type ` +
      'base64plain: "authmq keys generate --alg HS256"',
  );
}

/** Throws BadSetting if a secret cannot be read; does not check its content. */
export function checkReadable(secret: SecretSetting, folder: string): undefined {
  readBytes(secret, folder);
}

/** Whether the algorithm uses a shared secret. */
export function isSymmetric(method: SignMethod): boolean {
  return method.startsWith("HS");
}

/** The key that verifies signatures of `key`. */
export function verificationKeyOf(key: KeyObject): KeyObject {
  return key.type === "private" ? createPublicKey(key) : key;
}

/** Whether two keys are the same, or halves of the same pair. */
export function isSameKey(a: KeyObject, b: KeyObject): boolean {
  // KeyObject.equals() with different key types leaves an OpenSSL error behind, which rejects the next valid PEM.
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

/** The key in a file: raw, or as base64. 32 bytes are raw, even if the last one looks like a newline. */
function keyInFile(path: string): Buffer {
  const raw = readFile(path);
  if (raw.length === ENCRYPTION_KEY_BYTES) return raw;
  const bytes = withoutNewline(raw);
  const text = bytes.toString("latin1");
  return /^[A-Za-z0-9+/=\s]+$/.test(text) && bytes.length !== ENCRYPTION_KEY_BYTES
    ? decodeBase64(text)
    : bytes;
}

function readKeyFile(path: string): Buffer {
  return withoutNewline(readFile(path));
}

/** Editors add a newline at the end, which is not part of the secret. */
function withoutNewline(bytes: Buffer): Buffer {
  return bytes.at(-1) === 0x0a ? bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1) : bytes;
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    // Do not show the path: it may be the key itself, set here by mistake.
    throw new BadSetting(`cannot read the key file: ${describeFileError(error)}`);
  }
}

function readSharedSecret(bytes: Buffer, methods: readonly SignMethod[]): KeyObject {
  if (bytes.includes("-----BEGIN")) throw new BadSetting("is a PEM key: HS* needs a shared secret");
  const needed = Math.max(...methods.map((method) => Number(method.slice(2)) / 8));
  if (bytes.length < needed) {
    const fitting = methods.filter((method) => bytes.length >= Number(method.slice(2)) / 8);
    const fewer = fitting.length === 0 ? "" : `, or list only ${fitting.join(", ")}`;
    throw new BadSetting(
      `has ${bytes.length} bytes; ${methods.join(", ")} needs at least ${needed} (RFC 7518 section 3.2). ` +
        `Generate one: "authmq keys generate --alg HS${needed * 8}"${fewer}`,
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
      `cannot be read as a PEM ${what} (wrong type, damaged, or wrong passphrase): ${messageOf(error)}`,
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
