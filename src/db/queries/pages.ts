import { type Expression, type SqlBool, sql } from "kysely";
import { type Reader, dialectOf } from "../database.ts";
import { foldAscii, foldName } from "../names.ts";

/** Which part of a list of names is wanted. */
export interface Page {
  /** How many names at most. */
  readonly limit: number;
  /** Only names that come after this one, which need not be there. */
  readonly after: string | undefined;
  /** Only names that begin so. */
  readonly prefix: string | undefined;
}

/** A part of a list in its order; `next` is the last name of it when more follow. */
export interface PageOfNames {
  readonly names: readonly string[];
  readonly next: string | undefined;
}

/** One page of the usernames. */
export async function pageOfUsernames(db: Reader, page: Page): Promise<PageOfNames> {
  // Left to itself MariaDB may read the whole table (12,052 rows for a page of 50 were measured).
  const { rows } = await sql<{ name: string }>`
    select username as name from ${sql.table("user")} ${forceIndex(db, "user_by_username_key")}
    where ${within(db, "username_key", page)}
    order by username_key limit ${oneMore(page)}`.execute(db);
  return cut(rows, page);
}

/** One page of the group names. */
export async function pageOfGroups(db: Reader, page: Page): Promise<PageOfNames> {
  const rows = await db
    .selectFrom("group")
    .select("name")
    .where(within(db, "name", page))
    .orderBy("name")
    .limit(oneMore(page))
    .execute();
  return cut(rows, page);
}

/** One page of the usernames in a group. */
export async function pageOfMembers(db: Reader, groupname: string, page: Page): Promise<PageOfNames> {
  // Left to itself MariaDB reads all of a group that most users are in (6,496 rows for a page of 50 were measured).
  const { rows } = await sql<{ name: string }>`
    select username as name from usergroup ${forceIndex(db, "usergroup_by_group")}
    where groupname = ${groupname} and ${within(db, "username_key", page)}
    order by username_key limit ${oneMore(page)}`.execute(db);
  return cut(rows, page);
}

function forceIndex(db: Reader, name: string) {
  return dialectOf(db) === "mysql" ? sql`force index (${sql.ref(name)})` : sql``;
}

/** The greatest character: a text that begins with another one comes before that one with this behind it. */
const LAST = "\u{10ffff}";

/**
 * Order, `>` and the prefix all go by one column, in which no two names of a list are the same: so each name is on one
 * page, and an index leads to the first of them.
 */
function within(db: Reader, column: "username_key" | "name", { after, prefix }: Page): Expression<SqlBool> {
  const name = sql.ref(column);
  const isKey = column === "username_key";
  const conditions = [sql<SqlBool>`1 = 1`];
  // The cursor is a name as it is stored, in whatever normal form; the prefix was typed.
  if (after !== undefined) conditions.push(sql<SqlBool>`${name} > ${isKey ? foldAscii(after) : after}`);
  if (prefix !== undefined && prefix !== "")
    conditions.push(begins(db, name, isKey ? foldName(prefix) : prefix));
  return sql<SqlBool>`${sql.join(conditions, sql` and `)}`;
}

function begins(db: Reader, name: Expression<unknown>, prefix: string) {
  // SQLite's LIKE ignores case in every column, and MySQL ignores spaces at the end when it compares groups.
  return dialectOf(db) === "sqlite"
    ? sql<SqlBool>`${name} >= ${prefix} and ${name} < ${prefix + LAST}`
    : sql<SqlBool>`${name} like ${`${prefix.replaceAll(/[!%_]/g, "!$&")}%`} escape '!'`;
}

/** As a bigint: MySQL takes no other kind of number there. */
function oneMore({ limit }: Page): bigint {
  return BigInt(limit) + 1n;
}

function cut(rows: readonly { readonly name: string }[], { limit }: Page): PageOfNames {
  const names = rows.slice(0, limit).map(({ name }) => name);
  return { names, next: rows.length > limit ? names.at(-1) : undefined };
}
