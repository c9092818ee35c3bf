import { type RawBuilder, sql } from "kysely";
import type { Db } from "../database.ts";
import { padInList } from "../in-list-padding.ts";

/** The columns of `usergroup` in a database of py_auth_micro: its models have swapped their names. */
export interface MemberColumns {
  readonly user: string;
  readonly group: string;
}

/** A row of `user` in a database of py_auth_micro. */
export interface OldUser {
  readonly username: string;
  readonly email: string | null;
  readonly auth_type: string;
  readonly activated: boolean;
  readonly password_hash: Uint8Array | null;
  /** As the database returns it: UTC, with microseconds. */
  readonly created_at: string;
}

/** How many rows a database of py_auth_micro has. */
export interface OldCounts {
  readonly users: number;
  /** Users with `activated = 0`, who could log in to py_auth_micro. */
  readonly inactive: number;
  readonly groups: number;
  /** Memberships without duplicates. */
  readonly members: number;
  /** Duplicate rows of `usergroup`, which has no primary key. */
  readonly duplicates: number;
}

/** Counts the rows. */
export async function countOldRows(db: Db, columns: MemberColumns): Promise<OldCounts> {
  const number = async (query: RawBuilder<{ total: number | string }>): Promise<number> =>
    Number((await query.execute(db)).rows[0]?.total ?? 0);
  const [user, group] = [sql.ref("user"), sql.ref("group")];
  const members = await number(
    sql`select count(*) as total from (select distinct u.username, g.name ${joined(columns)}) as m`,
  );
  return {
    users: await number(sql`select count(*) as total from ${user}`),
    inactive: await number(sql`select count(*) as total from ${user} where activated = 0`),
    groups: await number(sql`select count(*) as total from ${group}`),
    members,
    duplicates: (await number(sql`select count(*) as total from usergroup`)) - members,
  };
}

/** How many users have `activated = 0`. */
export async function countInactive(db: Db): Promise<number> {
  const query = sql<{
    total: number | string;
  }>`select count(*) as total from ${sql.ref("user")} where activated = 0`;
  return Number((await query.execute(db)).rows[0]?.total ?? 0);
}

/** At most `limit` users after this name, sorted by name. */
export async function readOldUsers(
  db: Db,
  after: string | undefined,
  limit: number,
): Promise<readonly OldUser[]> {
  const start = after === undefined ? sql`` : sql`where username > ${after}`;
  const { rows } = await sql<Omit<OldUser, "activated"> & { activated: number | string }>`
    select username, email, auth_type, activated, password_hash, created_at
    from ${sql.ref("user")} ${start} order by username limit ${sql.lit(limit)}`.execute(db);
  return rows.map((row) => ({ ...row, activated: Number(row.activated) !== 0 }));
}

/** The groups of these users, each once, in the spelling of the tables `user` and `group`. */
export async function readOldMembers(
  db: Db,
  columns: MemberColumns,
  usernames: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  if (usernames.length === 0) return new Map();
  const { rows } = await sql<{ username: string; groupname: string }>`
    select distinct u.username, g.name as groupname ${joined(columns)}
    where u.username in (${sql.join(padInList(usernames))}) order by 1, 2`.execute(db);
  const groups = new Map<string, string[]>();
  for (const { username, groupname } of rows) {
    const list = groups.get(username);
    if (list === undefined) groups.set(username, [groupname]);
    else list.push(groupname);
  }
  return groups;
}

/** All group names, sorted. */
export async function listOldGroups(db: Db): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`select name from ${sql.ref("group")} order by name`.execute(
    db,
  );
  return rows.map(({ name }) => name);
}

/** Which of these users exist, by exactly these names. */
export async function findOldUsers(db: Db, usernames: readonly string[]): Promise<ReadonlySet<string>> {
  if (usernames.length === 0) return new Set();
  const { rows } = await sql<{ username: string }>`
    select username from ${sql.ref("user")} where username in (${sql.join(padInList(usernames))})`.execute(
    db,
  );
  return new Set(rows.map(({ username }) => username));
}

/** Joins by foreign key: a membership may spell a name in another case, which the collation ignores. */
function joined({ user, group }: MemberColumns): RawBuilder<unknown> {
  return sql`from usergroup as m join ${sql.ref("user")} as u on u.username = ${sql.ref(`m.${user}`)}
    join ${sql.ref("group")} as g on g.name = ${sql.ref(`m.${group}`)}`;
}
