import { createCipheriv, createDecipheriv, hash, type KeyObject, randomBytes } from "node:crypto";
import type { EncryptionConfig } from "../../config/encryption.ts";

const CIPHER = "aes-256-gcm";

/** Bytes of a nonce: the only length that GCM uses as it is (NIST SP 800-38D, section 5.2.1.1). */
const NONCE = 12;

/** Bytes of an authentication tag, the longest that GCM has. */
const TAG = 16;

/** An encrypted secret, and the id of its key. */
export interface Sealed {
  readonly keyId: string;
  /** Nonce, ciphertext and tag. */
  readonly sealed: Buffer;
}

/** Encrypts secrets for the database. `purpose` is authenticated: a secret opens only for the same purpose. */
export interface SecretBox {
  /** The id of the key that encrypts. */
  readonly activeKeyId: string;
  seal(plain: Uint8Array, purpose: string): Sealed;
  /** Rejects with UnknownEncryptionKey, or with DamagedSecret. */
  open(keyId: string, sealed: Uint8Array, purpose: string): Promise<Buffer>;
}

/** The configuration does not have the key that a secret is encrypted with. */
export class UnknownEncryptionKey extends Error {
  override readonly name = "UnknownEncryptionKey";
  readonly keyId: string;

  constructor(keyId: string) {
    super(`the encryption key ${keyId} is not in the configuration`);
    this.keyId = keyId;
  }
}

/** An encrypted secret was changed, or belongs to another purpose. */
export class DamagedSecret extends Error {
  override readonly name = "DamagedSecret";
}

/** AES-256-GCM with a random nonce. The keys have 32 bytes. */
export function createSecretBox({ active, retiring }: EncryptionConfig): SecretBox {
  const keys = new Map([active, ...retiring].map((key) => [encryptionKeyId(key), key]));
  const activeKeyId = encryptionKeyId(active);
  return {
    activeKeyId,
    seal(plain, purpose) {
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv(CIPHER, active, nonce, { authTagLength: TAG });
      cipher.setAAD(Buffer.from(purpose));
      const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
      return { keyId: activeKeyId, sealed };
    },
    async open(keyId, sealed, purpose) {
      const key = keys.get(keyId);
      if (key === undefined) throw new UnknownEncryptionKey(keyId);
      return decrypt(key, sealed, purpose);
    },
  };
}

function decrypt(key: KeyObject, sealed: Uint8Array, purpose: string): Buffer {
  const end = sealed.length - TAG;
  if (end < NONCE) throw new DamagedSecret("an encrypted secret is too short");
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE), { authTagLength: TAG });
  decipher.setAAD(Buffer.from(purpose));
  decipher.setAuthTag(sealed.subarray(end));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE, end)), decipher.final()]);
  } catch (error) {
    throw new DamagedSecret("an encrypted secret was changed, or belongs to another factor", {
      cause: error,
    });
  }
}

/** The id of a key, which is stored beside each secret and does not reveal the key. */
export function encryptionKeyId(key: KeyObject): string {
  const material = Buffer.concat([Buffer.from("authmq encryption key"), key.export()]);
  return hash("sha256", material, "hex").slice(0, 16);
}

/** The purpose of a TOTP secret. Without the username: a renamed account keeps its factors. */
export function totpPurpose(factorId: bigint): string {
  return `totp ${factorId}`;
}
