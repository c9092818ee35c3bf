import type { Insertable } from "kysely";
import type { Db, Trx } from "../database.ts";
import { padInList } from "../in-list-padding.ts";
import { keysOf } from "../names.ts";
import type { SqlTime, Tables } from "../tables.ts";
import type { UserRef } from "./users.ts";

/** A user that an earlier run imported. */
export interface ImportedAccount {
  /** The name in the other database. */
  readonly name: string;
  readonly digest: Uint8Array;
  /** `created_at` of the account here. */
  readonly createdAt: SqlTime;
  /** The groups of the memberships that an earlier run imported, by their names in the other database. */
  readonly groups: ReadonlySet<string>;
}

type NewRow = Insertable<Tables["imported_row"]>;

/** Rows per statement. */
const BATCH = 500;

/** The users among these that an earlier run imported, by name in the other database. */
export async function readImportedAccounts(
  db: Db,
  names: readonly string[],
): Promise<ReadonlyMap<string, ImportedAccount>> {
  if (names.length === 0) return new Map();
  const rows = await db
    .selectFrom("imported_row")
    .selectAll()
    .where("kind", "in", ["user", "member"])
    .where("name", "in", padInList(names))
    .execute();
  const groups = new Map<string, Set<string>>();
  for (const { kind, name, groupname } of rows)
    if (kind === "member") groups.set(name, (groups.get(name) ?? new Set()).add(groupname));
  const users = rows.filter(({ kind }) => kind === "user");
  return new Map(
    users.map(({ name, digest, account_created_at: createdAt }) => [
      name,
      {
        name,
        digest: digest ?? new Uint8Array(),
        createdAt: createdAt ?? "",
        groups: groups.get(name) ?? new Set<string>(),
      },
    ]),
  );
}

/** All groups that an earlier run imported, by name in the other database. */
export async function readImportedGroups(db: Db): Promise<ReadonlySet<string>> {
  const rows = await db.selectFrom("imported_row").select("name").where("kind", "=", "group").execute();
  return new Set(rows.map(({ name }) => name));
}

/** Up to 500 imported users after a name, with the name here if the account still exists. */
export async function pageOfImported(
  db: Db,
  after: string,
): Promise<readonly { readonly name: string; readonly username: string | null }[]> {
  return db
    .selectFrom("imported_row")
    .leftJoin("user", (join) =>
      join
        .onRef("user.username", "=", "imported_row.name")
        .onRef("user.created_at", "=", "imported_row.account_created_at"),
    )
    .select(["imported_row.name", "user.username"])
    .where("kind", "=", "user")
    .where("imported_row.name", ">", after)
    .orderBy("imported_row.name")
    .limit(BATCH)
    .execute();
}

/** Notes what was imported. */
export async function insertImported(trx: Trx, rows: readonly NewRow[]): Promise<void> {
  for (let from = 0; from < rows.length; from += BATCH)
    await trx
      .insertInto("imported_row")
      .values(rows.slice(from, from + BATCH))
      .execute();
}

/** The accounts with these names, in any spelling, with `created_at`, which identifies an account. */
export async function readAccountRefs(db: Db, usernames: readonly string[]): Promise<readonly UserRef[]> {
  if (usernames.length === 0) return [];
  return db
    .selectFrom("user")
    .select(["username", "created_at"])
    .where("username_key", "in", padInList(usernames.flatMap(keysOf)))
    .execute();
}

/** How many users, groups and memberships the database has. */
export async function countAccounts(
  db: Db,
): Promise<{ readonly users: number; readonly groups: number; readonly members: number }> {
  const count = async (table: "user" | "group" | "usergroup"): Promise<number> => {
    const { total } = await db
      .selectFrom(table)
      .select(({ fn }) => fn.countAll<number | string>().as("total"))
      .executeTakeFirstOrThrow();
    return Number(total);
  };
  return { users: await count("user"), groups: await count("group"), members: await count("usergroup") };
}
