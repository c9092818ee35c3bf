import type { EncryptionConfig } from "../../config/encryption.ts";
import type { Database } from "../../db/database.ts";
import { type EncryptedSecret, listSecretsUnder, replaceSecret } from "../../db/queries/encrypted-secrets.ts";
import { inTransaction } from "../../db/transaction.ts";
import {
  createSecretBox,
  DamagedSecret,
  encryptionKeyId,
  type SecretBox,
  type Sealed,
  totpPurpose,
} from "./secret-box.ts";

/** Secrets per transaction: a login waits at most for one. */
const BATCH = 50;

/** The result of an encryption with the active key. */
export interface Reencrypted {
  /** How many secrets the active key has encrypted. */
  readonly done: number;
  /** The factors whose secret is damaged: it stays as it is. */
  readonly damaged: readonly Pick<EncryptedSecret, "id" | "username">[];
}

/**
 * Encrypts all secrets under retiring keys with the active key. A secret that is changed meanwhile keeps the change.
 * May be interrupted at any time, and run again.
 */
export async function reencryptSecrets(db: Database, keys: EncryptionConfig): Promise<Reencrypted> {
  const box = createSecretBox(keys);
  const retiring = keys.retiring.map(encryptionKeyId);
  const damaged: EncryptedSecret[] = [];
  let done = 0;
  for (let after = -1n; ; ) {
    const rows = await listSecretsUnder(db, retiring, { after, limit: BATCH });
    const last = rows.at(-1);
    if (last === undefined) return { done, damaged };
    after = last.id;
    const all = await Promise.all(rows.map(async (before) => ({ before, next: await reseal(box, before) })));
    const replaced = all.flatMap(({ before, next }) => (next === undefined ? [] : [{ before, next }]));
    damaged.push(...all.filter(({ next }) => next === undefined).map(({ before }) => before));
    done += await inTransaction(db, async (trx) => {
      let count = 0;
      for (const { before, next } of replaced)
        if (await replaceSecret(trx, before.id, { before, next })) count++;
      return count;
    });
  }
}

/** The secret under the active key; undefined if it is damaged. */
async function reseal(box: SecretBox, { id, keyId, sealed }: EncryptedSecret): Promise<Sealed | undefined> {
  const purpose = totpPurpose(id);
  try {
    return box.seal(await box.open(keyId, sealed, purpose), purpose);
  } catch (error) {
    if (error instanceof DamagedSecret) return undefined;
    throw error;
  }
}
