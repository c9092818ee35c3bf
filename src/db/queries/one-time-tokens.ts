import type { Db, Reader, Trx } from "../database.ts";
import type { TokenPurpose } from "../tables.ts";
import { toSqlTime } from "../time.ts";

/** A token that is good once, by its digest. */
export interface NewOneTimeToken {
  readonly hash: Uint8Array;
  readonly purpose: TokenPurpose;
  /** A keyed digest of what was asked for. */
  readonly accountKey: Uint8Array;
  /** Null for an account that there is not: then the token is good for nothing. */
  readonly username: string | null;
  /** The address that it is sent to. */
  readonly email: string | null;
  readonly expiresAt: Date;
}

/** Whose token it is, and which address has got it. */
export interface Holder {
  readonly username: string;
  readonly email: string;
}

/** Makes a token. */
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

/** The holder of a token that is still good. */
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

/** How many tokens for a new password an account has that are still good. */
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

/** Uses a token up; false when it is no longer good. */
export async function useOneTimeToken(trx: Trx, purpose: TokenPurpose, hash: Uint8Array): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom("one_time_token")
    .where("token_hash", "=", hash)
    .where("purpose", "=", purpose)
    .where("expires_at", ">", toSqlTime(new Date()))
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Ends all tokens of a user, or those for one purpose. */
export async function deleteOneTimeTokens(trx: Trx, username: string, purpose?: TokenPurpose): Promise<void> {
  let query = trx.deleteFrom("one_time_token").where("username", "=", username);
  if (purpose !== undefined) query = query.where("purpose", "=", purpose);
  await query.execute();
}
