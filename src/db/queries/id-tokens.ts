import { randomBytes } from "node:crypto";
import { type Db, dialectOf, type Reader, type Trx } from "../database.ts";
import type { AuthType } from "../tables.ts";
import { padInList } from "../in-list-padding.ts";
import { fromSqlTime, toSqlTime } from "../time.ts";
import { withRetry } from "../transaction.ts";
import { groupsOfUser, readGroups } from "./groups.ts";

/** The row of an ID token. */
export interface IdTokenRow {
  readonly token_id: bigint;
  readonly ip: string;
  readonly valid_until: Date;
  readonly last_use: Date | null;
  readonly sign_method: string;
  readonly vhost: string;
}

/** A valid ID token's row with its user's state, read by one statement. */
export interface SessionRow extends IdTokenRow {
  readonly username: string;
  readonly auth_type: AuthType;
  readonly activated: boolean;
  /** When a directory last confirmed the user; null if no directory was asked. */
  readonly validated_at: Date | null;
  readonly groups: readonly string[];
}

/** A new ID token. */
export interface NewIdToken {
  readonly ip: string;
  readonly valid_until: Date;
  readonly sign_method: string;
  readonly vhost: string;
  readonly validated_at: Date | null;
}

/** Records the user's ID token and replaces the previous one. `username` in its stored spelling. */
export async function recordIdToken(
  trx: Trx,
  username: string,
  token_id: bigint,
  token: NewIdToken,
): Promise<void> {
  const row = {
    ...token,
    token_id,
    valid_until: toSqlTime(token.valid_until),
    last_use: null,
    validated_at: token.validated_at && toSqlTime(token.validated_at),
  };
  const insert = trx.insertInto("token").values({ ...row, user_id: username });
  const upsert =
    dialectOf(trx) === "mysql"
      ? insert.onDuplicateKeyUpdate(row)
      : insert.onConflict((conflict) => conflict.column("user_id").doUpdateSet(row));
  await upsert.execute();
}

/** Sessions by token id, with their users' activation and groups; revoked tokens are absent. */
export async function findSessions(
  db: Reader,
  tokenIds: readonly bigint[],
): Promise<ReadonlyMap<bigint, SessionRow>> {
  const rows = await db
    .selectFrom("token")
    .innerJoin("user", "user.username", "token.user_id")
    .select([
      "token.token_id",
      "token.ip",
      "token.valid_until",
      "token.last_use",
      "token.sign_method",
      "token.vhost",
      "token.validated_at",
      "user.username",
      "user.auth_type",
      "user.activated",
      groupsOfUser(db),
    ])
    .where("token.token_id", "in", padInList(tokenIds))
    .execute();
  const sessions = rows.map(({ username, auth_type, activated, validated_at, groups, ...token }) => ({
    ...toIdToken(token),
    username,
    auth_type,
    activated: activated === 1,
    validated_at: validated_at === null ? null : fromSqlTime(validated_at),
    groups: readGroups(groups),
  }));
  return new Map(sessions.map((session) => [session.token_id, session]));
}

/** The ID token of a user; undefined if there is none. */
export async function findIdTokenOf(db: Reader, username: string): Promise<IdTokenRow | undefined> {
  const row = await db.selectFrom("token").selectAll().where("user_id", "=", username).executeTakeFirst();
  return row && toIdToken(row);
}

/** Sets the time of last use of some ID tokens; returns how many still exist. */
export async function touchIdTokens(db: Db, tokenIds: readonly bigint[], at: Date): Promise<number> {
  const { numUpdatedRows } = await withRetry(() =>
    db
      .updateTable("token")
      .set({ last_use: toSqlTime(at) })
      .where("token_id", "in", padInList(tokenIds))
      .executeTakeFirst(),
  );
  return Number(numUpdatedRows);
}

/** Records that a directory has just confirmed the token's user; false if the token was revoked. */
export async function markValidated(db: Db, tokenId: bigint): Promise<boolean> {
  const validated_at = toSqlTime(new Date());
  const { numUpdatedRows } = await withRetry(() =>
    db.updateTable("token").set({ validated_at }).where("token_id", "=", tokenId).executeTakeFirst(),
  );
  return numUpdatedRows > 0n;
}

/** Revokes an ID token; false if it was already revoked. */
export async function deleteIdToken(db: Db, tokenId: bigint): Promise<boolean> {
  const { numDeletedRows } = await db.deleteFrom("token").where("token_id", "=", tokenId).executeTakeFirst();
  return numDeletedRows > 0n;
}

interface StoredIdToken extends Omit<IdTokenRow, "token_id" | "valid_until" | "last_use"> {
  readonly token_id: bigint | string;
  readonly valid_until: string;
  readonly last_use: string | null;
}

/** Converts a row as either database returns it. */
export function toIdToken({
  token_id,
  ip,
  valid_until,
  last_use,
  sign_method,
  vhost,
}: StoredIdToken): IdTokenRow {
  return {
    token_id: BigInt(token_id),
    ip,
    valid_until: fromSqlTime(valid_until),
    last_use: last_use === null ? null : fromSqlTime(last_use),
    sign_method,
    vhost,
  };
}

/** Creates a token id within the range of a signed BIGINT. Random: a sequence would repeat ids after a restore. */
export function createTokenId(): bigint {
  return randomBytes(8).readBigUInt64BE() >> 1n;
}
