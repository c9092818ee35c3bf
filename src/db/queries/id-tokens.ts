import { type Db, dialectOf, type Reader, type Trx } from "../database.ts";
import type { AuthType, SqlTime } from "../tables.ts";
import { padInList } from "../in-list-padding.ts";
import { fromSqlTime, toSqlTime } from "../time.ts";
import { withRetry } from "../transaction.ts";
import { groupsOfUser, readGroups } from "./groups.ts";
import { latestUse, type UnwrittenUse, type Uses, withUse } from "./last-use.ts";

/** The row of an ID token: a session. */
export interface IdTokenRow {
  readonly token_id: bigint;
  readonly ip: string;
  readonly valid_until: Date;
  readonly last_use: Date | null;
  /** The algorithms of its ID tokens: of the latest one, and the one before that if it was another. */
  readonly sign_methods: readonly string[];
  readonly vhost: string;
  /** The time of the login. */
  readonly created_at: Date;
  /** How the person recognizes the session; null if the login did not say. */
  readonly client: string | null;
}

/** A valid ID token's row with its user's state, read by one statement. */
export interface SessionRow extends IdTokenRow {
  readonly username: string;
  readonly auth_type: AuthType;
  readonly activated: boolean;
  /** When a directory last confirmed the user; null if no directory was asked. */
  readonly validated_at: Date | null;
  readonly groups: readonly string[];
  /** How the login authenticated the user (RFC 8176); empty if it was before this was recorded. */
  readonly amr: readonly string[];
}

/** A new ID token. */
export interface NewIdToken {
  readonly ip: string;
  readonly valid_until: Date;
  readonly sign_method: string;
  readonly vhost: string;
  readonly validated_at: Date | null;
  readonly created_at: Date;
  readonly client: string | null;
  readonly amr: readonly string[];
}

/** The columns of `toIdToken`. */
const COLUMNS = [
  ...(["token.token_id", "token.ip", "token.valid_until", "token.last_use"] as const),
  ...(["token.sign_method", "token.vhost", "token.created_at", "token.client"] as const),
] as const;

/** Records an ID token. `username` in its stored spelling. */
export async function recordIdToken(
  trx: Trx,
  username: string,
  token_id: bigint,
  token: NewIdToken,
): Promise<void> {
  const row = {
    ...token,
    token_id,
    user_id: username,
    valid_until: toSqlTime(token.valid_until),
    last_use: null,
    validated_at: token.validated_at && toSqlTime(token.validated_at),
    created_at: toSqlTime(token.created_at),
    amr: token.amr.length === 0 ? null : token.amr.join(" "),
  };
  await trx.insertInto("token").values(row).execute();
}

/** Sessions by token id, with their users' activation and groups; revoked tokens are absent. */
export async function findSessions(
  db: Reader,
  tokenIds: readonly bigint[],
): Promise<ReadonlyMap<bigint, SessionRow>> {
  const rows = await db
    .selectFrom("token")
    .innerJoin("user", "user.username", "token.user_id")
    .select(COLUMNS)
    .select([
      "token.amr",
      "token.validated_at",
      "user.username",
      "user.auth_type",
      "user.activated",
      groupsOfUser(db),
    ])
    .where("token.token_id", "in", padInList(tokenIds))
    .execute();
  const sessions = rows.map(({ username, auth_type, activated, validated_at, groups, amr, ...token }) => ({
    ...toIdToken(token),
    username,
    auth_type,
    activated: activated === 1,
    validated_at: validated_at === null ? null : fromSqlTime(validated_at),
    groups: readGroups(groups),
    amr: amr === null ? [] : amr.split(" "),
  }));
  return new Map(sessions.map((session) => [session.token_id, session]));
}

/** The sessions of a user. */
export interface SessionList {
  /** The unexpired ones, the latest used first; a login counts as a use. */
  readonly live: readonly IdTokenRow[];
  /** The ids of expired ones that are not deleted yet. */
  readonly expired: readonly bigint[];
}

/** All sessions of a user. */
export async function listSessionsOf(
  db: Reader,
  username: string,
  unwritten: UnwrittenUse = () => undefined,
): Promise<SessionList> {
  const rows = await db.selectFrom("token").select(COLUMNS).where("user_id", "=", username).execute();
  const now = Date.now();
  const sessions = rows.map(toIdToken).map((row) => withUse(row, unwritten));
  const { live = [], expired = [] } = Object.groupBy(sessions, ({ valid_until }) =>
    valid_until.getTime() > now ? "live" : "expired",
  );
  return {
    live: live.sort((a, b) => usedAt(b) - usedAt(a)),
    expired: expired.map(({ token_id }) => token_id),
  };
}

/** The latest used session of a user, and the number of unexpired sessions. */
export interface SessionSummary {
  readonly latest: IdTokenRow;
  readonly count: number;
}

/** The summaries of some users' sessions by stored username; users without sessions are absent. */
export async function summarizeSessions(
  db: Reader,
  usernames: readonly string[],
  unwritten: UnwrittenUse,
): Promise<ReadonlyMap<string, SessionSummary>> {
  // Sorted here: for the usual few sessions, a window function costs three times as much as all rows.
  const rows = await db
    .selectFrom("token")
    .select(COLUMNS)
    .select("token.user_id")
    .where("user_id", "in", padInList(usernames))
    .where("valid_until", ">", toSqlTime(new Date()))
    .execute();
  const summaries = new Map<string, { latest: StoredIdToken; used: SqlTime; count: number }>();
  for (const row of rows) {
    // Stored times sort as texts.
    const stored = row.last_use ?? row.created_at;
    const use = unwritten(BigInt(row.token_id));
    const used = use === undefined || toSqlTime(use) < stored ? stored : toSqlTime(use);
    const summary = summaries.get(row.user_id);
    if (summary === undefined) summaries.set(row.user_id, { latest: row, used, count: 1 });
    else {
      summary.count++;
      if (used > summary.used) Object.assign(summary, { latest: row, used });
    }
  }
  return new Map(
    Array.from(summaries, ([name, { latest, count }]) => [
      name,
      { latest: withUse(toIdToken(latest), unwritten), count },
    ]),
  );
}

/** When a session was last used, in milliseconds; a login counts as a use. */
function usedAt({ last_use, created_at }: IdTokenRow): number {
  return (last_use ?? created_at).getTime();
}

/** Records the last uses of some ID tokens; returns how many of them still exist. */
export async function touchIdTokens(db: Db, uses: Uses): Promise<number> {
  const { numUpdatedRows } = await withRetry(() =>
    db
      .updateTable("token")
      .set({ last_use: latestUse(db, "token_id", uses) })
      .where("token_id", "in", padInList([...uses.keys()]))
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

/**
 * Records a new ID token of a session, with its end and algorithm. Never shortens the session; false if it has ended.
 */
export async function extendIdToken(
  trx: Trx,
  tokenId: bigint,
  { validUntil, method }: { readonly validUntil: Date; readonly method: string },
): Promise<boolean> {
  const until = toSqlTime(validUntil);
  const row = await trx
    .selectFrom("token")
    .select(["valid_until", "sign_method"])
    .where("token_id", "=", tokenId)
    .where("valid_until", ">", toSqlTime(new Date()))
    .$if(dialectOf(trx) === "mysql", (query) => query.forUpdate())
    .executeTakeFirst();
  if (row === undefined) return false;
  const valid_until = row.valid_until < until ? until : row.valid_until;
  // Earlier ID tokens stay valid after a change of the algorithm.
  const others = methodsIn(row.sign_method).filter((name) => name !== method);
  const sign_method = [method, ...others].slice(0, 2).join(" ");
  if (valid_until !== row.valid_until || sign_method !== row.sign_method)
    await trx
      .updateTable("token")
      .set({ valid_until, sign_method })
      .where("token_id", "=", tokenId)
      .execute();
  return true;
}

/** Revokes some ID tokens of a user; returns the ids of those that had neither been revoked nor expired. */
export async function deleteIdTokens(
  trx: Trx,
  username: string,
  tokenIds: readonly bigint[],
): Promise<bigint[]> {
  if (tokenIds.length === 0) return [];
  const rows = await trx
    .selectFrom("token")
    .select("token_id")
    .where("token_id", "in", padInList(tokenIds))
    .where("user_id", "=", username)
    .where("valid_until", ">", toSqlTime(new Date()))
    .$if(dialectOf(trx) === "mysql", (query) => query.forUpdate())
    .execute();
  if (rows.length === 0) return [];
  const found = rows.map(({ token_id }) => BigInt(token_id));
  await trx.deleteFrom("token").where("token_id", "in", padInList(found)).execute();
  return found;
}

/** Deletes these ID tokens as far as they have expired: a renewal may have extended one since it was read. */
export async function deleteExpiredIdTokens(trx: Trx, tokenIds: readonly bigint[]): Promise<void> {
  if (tokenIds.length === 0) return;
  await trx
    .deleteFrom("token")
    .where("token_id", "in", padInList(tokenIds))
    .where("valid_until", "<=", toSqlTime(new Date()))
    .execute();
}

function methodsIn(sign_method: string): string[] {
  return sign_method.split(" ");
}

interface StoredIdToken extends Pick<IdTokenRow, "ip" | "vhost" | "client"> {
  readonly token_id: bigint | string;
  readonly sign_method: string;
  readonly valid_until: string;
  readonly last_use: string | null;
  readonly created_at: string;
}

/** Converts a row as either database returns it. */
function toIdToken({
  token_id,
  ip,
  valid_until,
  last_use,
  sign_method,
  vhost,
  created_at,
  client,
}: StoredIdToken): IdTokenRow {
  return {
    token_id: BigInt(token_id),
    ip,
    valid_until: fromSqlTime(valid_until),
    last_use: last_use === null ? null : fromSqlTime(last_use),
    sign_methods: methodsIn(sign_method),
    vhost,
    created_at: fromSqlTime(created_at),
    client,
  };
}
