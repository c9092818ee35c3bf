import type { EncryptionConfig } from "../../config/encryption.ts";
import { ConfigError } from "../../config/fault.ts";
import { AppError } from "../../errors.ts";
import type { Log } from "../../observability/log.ts";
import { createSecretBox, DamagedSecret, type SecretBox, UnknownEncryptionKey } from "./secret-box.ts";

/** The configuration is read at most once in this time, in milliseconds, however many secrets have unknown keys. */
const MIN_INTERVAL = 5000;

/** A box whose keys can be replaced. `open` rejects with UNAVAILABLE for an unknown key or a damaged secret. */
export interface RefreshingBox extends SecretBox {
  /** Replaces the keys. */
  useKeys(keys: EncryptionConfig): void;
}

interface Options {
  readonly keys: EncryptionConfig;
  /** Reads the current keys from the configuration; undefined if they cannot change. May throw. */
  readonly readKeys: (() => EncryptionConfig | undefined) | undefined;
  readonly log: Log;
  /** A monotonic clock, in milliseconds. */
  readonly now?: () => number;
}

/**
 * A box that reads the configuration again when a secret has an unknown key: `authmq keys rotate --secrets` may have
 * changed the file, and this worker has not got SIGHUP yet.
 */
export function createRefreshingBox({
  keys,
  readKeys,
  log,
  now = () => performance.now(),
}: Options): RefreshingBox {
  let box = createSecretBox(keys);
  let readAt = Number.NEGATIVE_INFINITY;

  const refresh = (): void => {
    if (readKeys === undefined || now() - readAt < MIN_INTERVAL) return;
    readAt = now();
    try {
      const current = readKeys();
      if (current === undefined) return;
      box = createSecretBox(current);
      log.info({ encryption_key_id: box.activeKeyId }, "reloaded the encryption keys");
    } catch (error) {
      const what = error instanceof ConfigError ? { faults: error.faults } : { err: error };
      log.error(what, "could not reload the encryption keys");
    }
  };

  const tryOpen = async (...args: Parameters<SecretBox["open"]>): Promise<Buffer | undefined> => {
    try {
      return await box.open(...args);
    } catch (error) {
      if (error instanceof UnknownEncryptionKey) return undefined;
      if (!(error instanceof DamagedSecret)) throw error;
      const [, , purpose] = args;
      throw new AppError(
        "UNAVAILABLE",
        `the secret of a second factor (${purpose}) is damaged: remove the factor with factor_remove, or all factors of ` +
          "the user with authmq users reset-factors",
        { cause: error },
      );
    }
  };

  return {
    get activeKeyId() {
      return box.activeKeyId;
    },
    seal: (plain, purpose) => box.seal(plain, purpose),
    async open(keyId, sealed, purpose) {
      const plain = await tryOpen(keyId, sealed, purpose);
      if (plain !== undefined) return plain;
      refresh();
      const found = await tryOpen(keyId, sealed, purpose);
      if (found !== undefined) return found;
      throw new AppError(
        "UNAVAILABLE",
        `a second factor is encrypted with the key ${keyId}, which is not in encryption_keys: add that key to ` +
          "encryption_keys.retiring, and send SIGHUP to all workers",
      );
    },
    useKeys(next) {
      box = createSecretBox(next);
    },
  };
}
