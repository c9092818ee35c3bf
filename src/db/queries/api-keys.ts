import type { Db, Reader, Trx } from "../database.ts";
import { padInList } from "../in-list-padding.ts";
import type { SqlTime } from "../tables.ts";
import { fromSqlTime, toSqlTime } from "../time.ts";
import { withRetry } from "../transaction.ts";
import { groupsOfUser, readGroups } from "./groups.ts";
import { latestUse, type Uses } from "./last-use.ts";

/** An API key, without the key itself. */
export interface ApiKeyRow {
  readonly id: bigint;
  readonly name: string;
  /** Only these of the account's groups; null for all. */
  readonly groups: readonly string[] | null;
  readonly vhost: string;
  readonly created_at: Date;
  /** Null if it never expires. */
  readonly expires_at: Date | null;
  readonly last_use: Date | null;
}

/** An API key with its account's state, read by one statement. */
export interface KeyedAccountRow extends ApiKeyRow {
  readonly username: string;
  readonly activated: boolean;
  /** All groups of the account. */
  readonly accountGroups: readonly string[];
}

/** A new API key. */
export interface NewApiKey extends Omit<ApiKeyRow, "last_use"> {
  readonly key_hash: Uint8Array;
}

const COLUMNS = [
  ...(["api_key.api_key_id", "api_key.name", "api_key.key_groups", "api_key.vhost"] as const),
  ...(["api_key.created_at", "api_key.expires_at", "api_key.last_use"] as const),
] as const;

/** Inserts an API key. `username` in its stored spelling. */
export async function insertApiKey(trx: Trx, username: string, key: NewApiKey): Promise<void> {
  const { id, groups, created_at, expires_at, ...row } = key;
  await trx
    .insertInto("api_key")
    .values({
      ...row,
      api_key_id: id,
      user_id: username,
      key_groups: groups === null ? null : JSON.stringify(groups),
      created_at: toSqlTime(created_at),
      expires_at: expires_at && toSqlTime(expires_at),
      last_use: null,
    })
    .execute();
}

/** API keys by the SHA-256 of the key, in hexadecimal, with their accounts; unknown ones are absent. */
export async function findApiKeysByHash(
  db: Reader,
  hashes: readonly string[],
): Promise<ReadonlyMap<string, KeyedAccountRow>> {
  const rows = await withAccount(db)
    .where("api_key.key_hash", "in", padInList(hashes.map((text) => Buffer.from(text, "hex"))))
    .execute();
  return new Map(rows.map((row) => [Buffer.from(row.key_hash).toString("hex"), toKeyedAccount(row)]));
}

/** API keys by id with their accounts; revoked ones are absent. */
export async function findApiKeys(
  db: Reader,
  ids: readonly bigint[],
): Promise<ReadonlyMap<bigint, KeyedAccountRow>> {
  const rows = await withAccount(db).where("api_key.api_key_id", "in", padInList(ids)).execute();
  return new Map(rows.map((row) => [BigInt(row.api_key_id), toKeyedAccount(row)]));
}

function withAccount(db: Reader) {
  return db
    .selectFrom("api_key")
    .innerJoin("user", "user.username", "api_key.user_id")
    .select(COLUMNS)
    .select(["api_key.key_hash", "user.username", "user.activated", groupsOfUser(db)]);
}

/** The API keys of an account, expired ones included, in the order of creation. */
export async function listApiKeysOf(db: Reader, username: string): Promise<ApiKeyRow[]> {
  const rows = await db
    .selectFrom("api_key")
    .select(COLUMNS)
    .where("user_id", "=", username)
    .orderBy("created_at")
    .orderBy("api_key_id")
    .execute();
  return rows.map(toApiKey);
}

/** Deletes an API key of an account and returns it; undefined if the account has none with this id. */
export async function deleteApiKey(trx: Trx, username: string, id: bigint): Promise<ApiKeyRow | undefined> {
  const row = await trx
    .selectFrom("api_key")
    .select(COLUMNS)
    .where("api_key_id", "=", id)
    .where("user_id", "=", username)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { numDeletedRows } = await trx.deleteFrom("api_key").where("api_key_id", "=", id).executeTakeFirst();
  return numDeletedRows > 0n ? toApiKey(row) : undefined;
}

/** Sets the time of last use of some API keys; returns how many still exist. */
export async function touchApiKeys(db: Db, uses: Uses): Promise<number> {
  const { numUpdatedRows } = await withRetry(() =>
    db
      .updateTable("api_key")
      .set({ last_use: latestUse(db, "api_key_id", uses) })
      .where("api_key_id", "in", padInList([...uses.keys()]))
      .executeTakeFirst(),
  );
  return Number(numUpdatedRows);
}

interface StoredApiKey {
  readonly api_key_id: bigint | string;
  readonly name: string;
  readonly key_groups: string | null;
  readonly vhost: string;
  readonly created_at: SqlTime;
  readonly expires_at: SqlTime | null;
  readonly last_use: SqlTime | null;
}

/** Converts a row as either database returns it. */
function toApiKey({
  api_key_id,
  name,
  key_groups,
  vhost,
  created_at,
  expires_at,
  last_use,
}: StoredApiKey): ApiKeyRow {
  return {
    id: BigInt(api_key_id),
    name,
    // `insertApiKey` writes a list of texts
    groups: key_groups === null ? null : (JSON.parse(key_groups) as string[]),
    vhost,
    created_at: fromSqlTime(created_at),
    expires_at: expires_at === null ? null : fromSqlTime(expires_at),
    last_use: last_use === null ? null : fromSqlTime(last_use),
  };
}

function toKeyedAccount(
  row: StoredApiKey & {
    readonly username: string;
    readonly activated: number;
    readonly groups: string | null;
  },
): KeyedAccountRow {
  const { username, activated, groups } = row;
  return { ...toApiKey(row), username, activated: activated === 1, accountGroups: readGroups(groups) };
}
