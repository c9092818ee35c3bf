import { randomBytes } from "node:crypto";
import { type Db, dialectOf, type Reader, type Trx } from "../database.ts";
import type { AuthType } from "../tables.ts";
import { padInList } from "../in-list-padding.ts";
import { fromSqlTime, toSqlTime } from "../time.ts";
import { withRetry } from "../transaction.ts";
import { groupsOfUser, readGroups } from "./groups.ts";

/** What is known of an ID token, and in a session also of its user. */
export interface IdTokenRow {
  readonly token_id: bigint;
  readonly ip: string;
  readonly valid_until: Date;
  readonly last_use: Date | null;
  readonly sign_method: string;
  readonly vhost: string;
}

/** A live ID token's row together with its user's state, as one statement reads them. */
export interface SessionRow extends IdTokenRow {
  readonly username: string;
  readonly auth_type: AuthType;
  readonly activated: boolean;
  /** When a directory last said that the user may be here; null where none was asked. */
  readonly validated_at: Date | null;
  readonly groups: readonly string[];
}

/** An ID token to be recorded. */
export interface NewIdToken {
  readonly ip: string;
  readonly valid_until: Date;
  readonly sign_method: string;
  readonly vhost: string;
  readonly validated_at: Date | null;
}

/** Records the user's one ID token in place of an earlier one. `username` in its stored spelling. */
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

/** The sessions of some token ids: rows with their users' activation and groups. A token that is revoked has none. */
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

/** The ID token that a user holds, if any. */
export async function findIdTokenOf(db: Reader, username: string): Promise<IdTokenRow | undefined> {
  const row = await db.selectFrom("token").selectAll().where("user_id", "=", username).executeTakeFirst();
  return row && toIdToken(row);
}

/** Notes when access tokens were last made by some ID tokens; says how many of those are still there. */
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

/** Notes that a directory has just said that the token's user may be here; false when the token was revoked. */
export async function markValidated(db: Db, tokenId: bigint): Promise<boolean> {
  const validated_at = toSqlTime(new Date());
  const { numUpdatedRows } = await withRetry(() =>
    db.updateTable("token").set({ validated_at }).where("token_id", "=", tokenId).executeTakeFirst(),
  );
  return numUpdatedRows > 0n;
}

/** Revokes an ID token; false when it was revoked already. */
export async function deleteIdToken(db: Db, tokenId: bigint): Promise<boolean> {
  const { numDeletedRows } = await db.deleteFrom("token").where("token_id", "=", tokenId).executeTakeFirst();
  return numDeletedRows > 0n;
}

interface StoredIdToken extends Omit<IdTokenRow, "token_id" | "valid_until" | "last_use"> {
  readonly token_id: bigint | string;
  readonly valid_until: string;
  readonly last_use: string | null;
}

/** A row as the databases give it. */
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

/** A token id: random, because a counted one would come again after a restore, and within the range of a signed BIGINT. */
export function createTokenId(): bigint {
  return randomBytes(8).readBigUInt64BE() >> 1n;
}
