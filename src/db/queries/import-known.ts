import type { Trx } from "../database.ts";
import { foldName, keysOf } from "../names.ts";
import { padInList } from "../in-list-padding.ts";
import type { UserRow } from "../tables.ts";

/** An existing account with its groups. */
export interface KnownAccount extends UserRow {
  readonly groups: ReadonlySet<string>;
}

/** The existing data that concerns the imported users. */
export interface Known {
  /** By folded name. */
  readonly accounts: ReadonlyMap<string, KnownAccount>;
  /** Usernames by folded email address. */
  readonly owners: ReadonlyMap<string, string>;
  readonly groups: ReadonlySet<string>;
}

interface Described {
  readonly username: string;
  readonly email: string | undefined;
  readonly groups: readonly string[];
}

/** Reads the existing accounts, addresses and groups that the imported users name. */
export async function readKnown(trx: Trx, users: readonly Described[]): Promise<Known> {
  if (users.length === 0) return { accounts: new Map(), owners: new Map(), groups: new Set() };
  const keys = padInList(users.flatMap(({ username }) => keysOf(username)));
  const rows = await trx.selectFrom("user").selectAll().where("username_key", "in", keys).execute();
  const owned = await trx
    .selectFrom("user")
    .select(["username", "email"])
    .where(
      "email_key",
      "in",
      padInList(users.flatMap(({ email }) => (email === undefined ? [] : keysOf(email)))),
    )
    .execute();
  const groupsOf = new Map<string, Set<string>>();
  for (const { username, groupname } of rows.length === 0 ? [] : await membershipsOf(trx, rows))
    groupsOf.set(username, (groupsOf.get(username) ?? new Set()).add(groupname));
  const accounts = rows.map((row) => ({ ...row, groups: groupsOf.get(row.username) ?? new Set<string>() }));
  return {
    accounts: new Map(accounts.map((account) => [foldName(account.username), account])),
    owners: new Map(owned.map(({ username, email }) => [foldName(email ?? ""), username])),
    groups: await existing(trx, [...new Set(users.flatMap(({ groups }) => groups))]),
  };
}

function membershipsOf(trx: Trx, rows: readonly { readonly username: string }[]) {
  return trx
    .selectFrom("usergroup")
    .select(["username", "groupname"])
    .where("username", "in", padInList(rows.map(({ username }) => username)))
    .execute();
}

/** Names per statement. */
const BATCH = 512;

async function existing(trx: Trx, names: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let from = 0; from < names.length; from += BATCH) {
    const some = padInList(names.slice(from, from + BATCH));
    const rows = await trx.selectFrom("group").select("name").where("name", "in", some).execute();
    for (const { name } of rows) found.add(name);
  }
  return found;
}
