import { randomBytes } from "node:crypto";
import { type Db, dialectOf, type Trx } from "../database.ts";
import type { AuthType } from "../tables.ts";
import { fromSqlTime, toSqlTime } from "../time.ts";
import { repeated } from "../transaction.ts";
import { lockUser } from "./users.ts";

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

interface NewIdToken {
  readonly ip: string;
  readonly valid_until: Date;
  readonly sign_method: string;
  readonly vhost: string;
  readonly validated_at: Date | null;
}

/** What a login was checked against; a user of a directory has no hash. */
interface VerifiedLogin {
  readonly username: string;
  readonly auth_type: AuthType;
  readonly hash: Uint8Array | null;
  readonly rehashed: Uint8Array | undefined;
}

/**
 * Makes the user's one ID token and gives its id; an earlier one is dead when this is committed. "changed" when the
 * password, the activation or the source is no longer what the login was checked against: then nothing is written.
 */
export async function replaceIdToken(
  trx: Trx,
  login: VerifiedLogin,
  token: NewIdToken,
): Promise<bigint | "changed"> {
  const user = await lockUser(trx, login.username);
  if (user?.activated !== 1 || user.auth_type !== login.auth_type) return "changed";
  if (!equal(user.password_hash, login.hash)) return "changed";
  if (login.rehashed !== undefined) {
    await trx
      .updateTable("user")
      .set({ password_hash: login.rehashed })
      .where("username", "=", user.username)
      .execute();
  }
  const token_id = randomTokenId();
  const row = {
    ...token,
    token_id,
    valid_until: toSqlTime(token.valid_until),
    last_use: null,
    validated_at: token.validated_at && toSqlTime(token.validated_at),
  };
  const insert = trx.insertInto("token").values({ ...row, user_id: user.username });
  const upsert =
    dialectOf(trx) === "mysql"
      ? insert.onDuplicateKeyUpdate(row)
      : insert.onConflict((conflict) => conflict.column("user_id").doUpdateSet(row));
  await upsert.execute();
  return token_id;
}

/** The session of a token id: the row, its user's activation and groups; undefined when the token is revoked. */
export async function findSession(db: Db, tokenId: bigint): Promise<SessionRow | undefined> {
  const rows = await db
    .selectFrom("token")
    .innerJoin("user", "user.username", "token.user_id")
    .leftJoin("usergroup", "usergroup.username", "user.username")
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
      "usergroup.groupname",
    ])
    .where("token.token_id", "=", tokenId)
    .orderBy("usergroup.groupname")
    .execute();
  const first = rows[0];
  if (first === undefined) return undefined;
  const groups = rows.map(({ groupname }) => groupname).filter((name) => name !== null);
  return {
    ...toIdToken(first),
    username: first.username,
    auth_type: first.auth_type,
    activated: first.activated === 1,
    validated_at: first.validated_at === null ? null : fromSqlTime(first.validated_at),
    groups,
  };
}

/** The ID token that a user holds, if any. */
export async function findIdTokenOf(db: Db, username: string): Promise<IdTokenRow | undefined> {
  const row = await db.selectFrom("token").selectAll().where("user_id", "=", username).executeTakeFirst();
  return row && toIdToken(row);
}

/** Notes that an access token was made just now; false when the ID token was revoked in the meantime. */
export async function touchIdToken(db: Db, tokenId: bigint): Promise<boolean> {
  const { numUpdatedRows } = await repeated(() =>
    db
      .updateTable("token")
      .set({ last_use: toSqlTime(new Date()) })
      .where("token_id", "=", tokenId)
      .executeTakeFirst(),
  );
  return numUpdatedRows > 0n;
}

/** Notes that a directory has just said that the token's user may be here. */
export async function markValidated(db: Db, tokenId: bigint): Promise<void> {
  const validated_at = toSqlTime(new Date());
  await repeated(() =>
    db.updateTable("token").set({ validated_at }).where("token_id", "=", tokenId).execute(),
  );
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

function toIdToken({ token_id, ip, valid_until, last_use, sign_method, vhost }: StoredIdToken): IdTokenRow {
  return {
    token_id: BigInt(token_id),
    ip,
    valid_until: fromSqlTime(valid_until),
    last_use: last_use === null ? null : fromSqlTime(last_use),
    sign_method,
    vhost,
  };
}

/** Random, because a counted id would come again after a restore, and within the range of a signed BIGINT. */
function randomTokenId(): bigint {
  return randomBytes(8).readBigUInt64BE() >> 1n;
}

function equal(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.from(a).equals(Buffer.from(b));
}
