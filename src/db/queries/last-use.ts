import { type RawBuilder, sql } from "kysely";
import { type Db, dialectOf } from "../database.ts";
import { padInList } from "../in-list-padding.ts";
import type { SqlTime } from "../tables.ts";
import { toSqlTime } from "../time.ts";

/** When rows were used last, by id. */
export type Uses = ReadonlyMap<bigint, Date>;

/** The last use of a session that is not in the database yet. */
export type UnwrittenUse = (tokenId: bigint) => Date | undefined;

/** A session's row with its unwritten use, unless another worker has stored a later one. */
export function withUse<R extends { readonly token_id: bigint; readonly last_use: Date | null }>(
  row: R,
  unwritten: UnwrittenUse,
): R {
  const last_use = unwritten(row.token_id);
  const isLatest = last_use !== undefined && (row.last_use === null || row.last_use <= last_use);
  return isLatest ? { ...row, last_use } : row;
}

/** `last_use` of the rows with these ids: the time of the use, unless another worker has stored a later one. */
export function latestUse(db: Db, idColumn: "token_id" | "api_key_id", uses: Uses): RawBuilder<SqlTime> {
  const times = padInList([...uses]).map(([id, at]) => sql`when ${id} then ${toSqlTime(at)}`);
  const time = sql`case ${sql.ref(idColumn)} ${sql.join(times, sql` `)} end`;
  const latest = sql.raw(dialectOf(db) === "sqlite" ? "max" : "greatest");
  return sql<SqlTime>`${latest}(coalesce(last_use, created_at), ${time})`;
}
