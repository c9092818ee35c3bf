import type { Db, Reader } from "../database.ts";
import { padInList } from "../in-list-padding.ts";

/** An encrypted secret, and the id of its key. */
interface SealedColumns {
  readonly keyId: string;
  readonly sealed: Uint8Array;
}

/** The encrypted secret of a factor. */
export interface EncryptedSecret extends SealedColumns {
  readonly id: bigint;
}

/** How many secrets are encrypted with each key, by key id; keys without secrets are absent. */
export async function countSecretsByKey(db: Reader): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom("factor")
    .select("secret_key_id")
    .select(({ fn }) => fn.countAll<number | string>().as("secrets"))
    .where("secret_key_id", "is not", null)
    .groupBy("secret_key_id")
    .execute();
  return new Map(rows.map(({ secret_key_id, secrets }) => [secret_key_id ?? "", Number(secrets)]));
}

/** Up to `limit` secrets that are encrypted with one of these keys, of factors after an id, in the order of their ids. */
export async function listSecretsUnder(
  db: Reader,
  keyIds: readonly string[],
  { after, limit }: { readonly after: bigint; readonly limit: number },
): Promise<EncryptedSecret[]> {
  if (keyIds.length === 0) return [];
  const rows = await db
    .selectFrom("factor")
    .select(["factor_id", "secret", "secret_key_id"])
    .where("secret_key_id", "in", padInList(keyIds))
    .where("factor_id", ">", after)
    .orderBy("factor_id")
    .limit(limit)
    .execute();
  return rows.map(({ factor_id, secret, secret_key_id }) => ({
    id: BigInt(factor_id),
    keyId: secret_key_id ?? "",
    sealed: secret ?? new Uint8Array(),
  }));
}

/** Replaces a secret; false if the factor was removed, or has another secret than `before`. */
export async function replaceSecret(
  db: Db,
  id: bigint,
  { before, next }: { readonly before: SealedColumns; readonly next: SealedColumns },
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("factor")
    .set({ secret: next.sealed, secret_key_id: next.keyId })
    .where("factor_id", "=", id)
    .where("secret_key_id", "=", before.keyId)
    .where("secret", "=", before.sealed)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
