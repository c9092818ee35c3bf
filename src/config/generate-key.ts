import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import type { SignMethod } from "./sections/jwt.ts";

/** A new signing key: a PEM key pair, or a shared secret in base64; each ends with a newline. */
export interface GeneratedKey {
  readonly secret: string;
  readonly publicKey: string | undefined;
}

/** Generates a key for an algorithm. */
export function generateSecret(method: SignMethod): GeneratedKey {
  if (method.startsWith("HS")) {
    const bytes = randomBytes(Number(method.slice(2)) / 8);
    return { secret: `${bytes.toString("base64")}\n`, publicKey: undefined };
  }
  const { privateKey, publicKey } = generatePair(method);
  return {
    secret: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

function generatePair(method: SignMethod): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (method) {
    case "ES256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" });
    case "ES384":
      return generateKeyPairSync("ec", { namedCurve: "P-384" });
    case "ES512":
      return generateKeyPairSync("ec", { namedCurve: "P-521" });
    case "EdDSA":
      return generateKeyPairSync("ed25519");
    default:
      return generateKeyPairSync("rsa", { modulusLength: 3072 });
  }
}
