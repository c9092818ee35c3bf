import type { Db, Reader, Trx } from "../database.ts";
import type { ChallengePurpose, SqlTime } from "../tables.ts";
import { toSqlTime } from "../time.ts";

/** What a challenge is for, and where the login comes from. */
export interface ChallengeRow {
  readonly purpose: ChallengePurpose;
  /** In its stored spelling; null for a login without a username. */
  readonly username: string | null;
  /** `modified_at` of the account when the challenge was issued. */
  readonly accountModifiedAt: SqlTime | null;
  readonly ip: string;
  readonly vhost: string;
  readonly client: string | null;
  /** How the login has authenticated the user so far (RFC 8176). */
  readonly amr: readonly string[];
}

/** Records a challenge by its SHA-256. */
export async function insertChallenge(
  db: Db,
  hash: Uint8Array,
  { purpose, username, accountModifiedAt, ip, vhost, client, amr }: ChallengeRow,
  expiresAt: Date,
): Promise<void> {
  await db
    .insertInto("challenge")
    .values({
      challenge_hash: hash,
      purpose,
      user_id: username,
      account_modified_at: accountModifiedAt,
      ip,
      vhost,
      client,
      amr: amr.join(" "),
      expires_at: toSqlTime(expiresAt),
    })
    .execute();
}

/** An unexpired challenge; undefined if there is none, or it was answered. */
export async function findChallenge(db: Reader, hash: Uint8Array): Promise<ChallengeRow | undefined> {
  const row = await db
    .selectFrom("challenge")
    .select(["purpose", "user_id", "account_modified_at", "ip", "vhost", "client", "amr"])
    .where("challenge_hash", "=", hash)
    .where("expires_at", ">", toSqlTime(new Date()))
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { user_id: username, account_modified_at: accountModifiedAt, amr, ...rest } = row;
  return { ...rest, username, accountModifiedAt, amr: (amr ?? "").split(" ").filter((one) => one !== "") };
}

/** Whether an account has an unexpired challenge for this purpose. `username` in its stored spelling. */
export async function hasChallenge(
  db: Reader,
  purpose: ChallengePurpose,
  username: string,
): Promise<boolean> {
  const row = await db
    .selectFrom("challenge")
    .select("purpose")
    .where("user_id", "=", username)
    .where("purpose", "=", purpose)
    .where("expires_at", ">", toSqlTime(new Date()))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Deletes all challenges of an account for this purpose. `username` in its stored spelling. */
export async function deleteChallengesOf(
  trx: Trx,
  purpose: ChallengePurpose,
  username: string,
): Promise<void> {
  await trx.deleteFrom("challenge").where("user_id", "=", username).where("purpose", "=", purpose).execute();
}

/** Counts an answer before it is checked, so that parallel guesses count, too; false after `limit` answers. */
export async function countAnswer(db: Db, hash: Uint8Array, limit: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("challenge")
    .set((is) => ({ wrong_answers: is("wrong_answers", "+", 1) }))
    .where("challenge_hash", "=", hash)
    .where("wrong_answers", "<", limit)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Takes back a count, of an answer that could not be checked. */
export async function uncountAnswer(db: Db, hash: Uint8Array): Promise<void> {
  await db
    .updateTable("challenge")
    .set((is) => ({ wrong_answers: is("wrong_answers", "-", 1) }))
    .where("challenge_hash", "=", hash)
    .where("wrong_answers", ">", 0)
    .execute();
}

/** Consumes a challenge; false if it was answered already. */
export async function deleteChallenge(trx: Trx, hash: Uint8Array): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom("challenge")
    .where("challenge_hash", "=", hash)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}
