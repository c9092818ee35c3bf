import type { Db, Reader, Trx } from "../database.ts";
import type { TokenPurpose } from "../tables.ts";
import { toSqlTime } from "../time.ts";

/** A one-time token, by its digest. */
export interface NewOneTimeToken {
  readonly hash: Uint8Array;
  readonly purpose: TokenPurpose;
  /** HMAC of the requested account name. */
  readonly accountKey: Uint8Array;
  /** Null if the account does not exist: then the token is useless. */
  readonly username: string | null;
  /** The address that it is emailed to. */
  readonly email: string | null;
  readonly expiresAt: Date;
}

/** The user of a token, and the address that it was emailed to. */
export interface Holder {
  readonly username: string;
  readonly email: string;
}

/** Creates a token. */
export async function createOneTimeToken(
  db: Db,
  { hash, purpose, accountKey, username, email, expiresAt }: NewOneTimeToken,
): Promise<void> {
  await db
    .insertInto("one_time_token")
    .values({
      token_hash: hash,
      purpose,
      account_key: accountKey,
      username,
      email,
      expires_at: toSqlTime(expiresAt),
    })
    .execute();
}

/** The holder of a valid token; undefined if it is invalid or expired. */
export async function findHolder(
  db: Reader,
  purpose: TokenPurpose,
  hash: Uint8Array,
): Promise<Holder | undefined> {
  const row = await db
    .selectFrom("one_time_token")
    .select(["username", "email"])
    .where("token_hash", "=", hash)
    .where("purpose", "=", purpose)
    .where("expires_at", ">", toSqlTime(new Date()))
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { username, email } = row;
  return username === null || email === null ? undefined : { username, email };
}

/** Counts the valid password reset tokens of an account. */
export async function countOneTimeTokens(db: Reader, accountKey: Uint8Array): Promise<number> {
  const { total } = await db
    .selectFrom("one_time_token")
    .select((is) => is.fn.countAll<number | string>().as("total"))
    .where("account_key", "=", accountKey)
    .where("purpose", "=", "password_reset")
    .where("expires_at", ">", toSqlTime(new Date()))
    .executeTakeFirstOrThrow();
  return Number(total);
}

/** Consumes a token; false if it is no longer valid. */
export async function useOneTimeToken(trx: Trx, purpose: TokenPurpose, hash: Uint8Array): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom("one_time_token")
    .where("token_hash", "=", hash)
    .where("purpose", "=", purpose)
    .where("expires_at", ">", toSqlTime(new Date()))
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Deletes the tokens of a user, all of them or those of one purpose. */
export async function deleteOneTimeTokens(trx: Trx, username: string, purpose?: TokenPurpose): Promise<void> {
  let query = trx.deleteFrom("one_time_token").where("username", "=", username);
  if (purpose !== undefined) query = query.where("purpose", "=", purpose);
  await query.execute();
}
