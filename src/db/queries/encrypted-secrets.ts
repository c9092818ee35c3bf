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
  readonly username: string;
}

/** How many users are named for a key. */
const MAX_USERS = 20;

/** How many secrets a key encrypts, and of whom. */
export interface KeyUse {
  readonly secrets: number;
  /** The first users by name. */
  readonly users: readonly string[];
  readonly hasMoreUsers: boolean;
}

/** The use of each key, by key id; keys without secrets are absent. */
export async function readKeyUse(db: Reader): Promise<ReadonlyMap<string, KeyUse>> {
  const rows = await db
    .selectFrom("factor")
    .select("secret_key_id")
    .select(({ fn }) => fn.countAll<number | string>().as("secrets"))
    .where("secret_key_id", "is not", null)
    .groupBy("secret_key_id")
    .execute();
  const use = new Map<string, KeyUse>();
  for (const { secret_key_id, secrets } of rows) {
    const id = secret_key_id ?? "";
    const users = await listUsersOf(db, id, MAX_USERS + 1);
    const hasMoreUsers = users.length > MAX_USERS;
    use.set(id, { secrets: Number(secrets), users: users.slice(0, MAX_USERS), hasMoreUsers });
  }
  return use;
}

async function listUsersOf(db: Reader, keyId: string, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom("factor")
    .select("user_id")
    .distinct()
    .where("secret_key_id", "=", keyId)
    .orderBy("user_id")
    .limit(limit)
    .execute();
  return rows.map(({ user_id }) => user_id);
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
    .select(["factor_id", "user_id", "secret", "secret_key_id"])
    .where("secret_key_id", "in", padInList(keyIds))
    .where("factor_id", ">", after)
    .orderBy("factor_id")
    .limit(limit)
    .execute();
  return rows.map(({ factor_id, user_id, secret, secret_key_id }) => ({
    id: BigInt(factor_id),
    username: user_id,
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
