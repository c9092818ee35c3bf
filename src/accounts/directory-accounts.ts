import type { Reader } from "../db/database.ts";
import { isSameDirectoryName } from "../db/directory-names.ts";
import { findUser, findUsersByExternalId } from "../db/queries/users.ts";
import type { UserRow } from "../db/tables.ts";

/** A person's entry in a directory. */
export interface DirectoryPerson {
  /** The login name from the request. */
  readonly name: string;
  /** All login names of the entry, including that one; a new account gets the first free one. */
  readonly names: readonly string[];
  /** Ids of the entry, the one to store first; empty if the directory shows none. */
  readonly ids: readonly string[];
}

/** Whether an account belongs to another person: the directory shows ids, but not the account's. */
export function isAnotherPerson(
  { external_id }: Pick<UserRow, "external_id">,
  { ids }: Pick<DirectoryPerson, "ids">,
): boolean {
  return external_id !== null && ids.length > 0 && !ids.includes(external_id);
}

/**
 * The account for a login: the one with the requested name, or else the person's own under another of its names. It may
 * belong to another person, or not be a directory account.
 */
export async function findAccountOf(db: Reader, person: DirectoryPerson): Promise<UserRow | undefined> {
  const named = await findUser(db, person.name);
  const isCertain = named !== undefined && (named.auth_type !== "LDAP" || named.external_id !== null);
  if (isCertain) return named;
  return (await findById(db, person)) ?? named ?? (await findByOtherName(db, person));
}

/** The first free name for a new account; undefined if all are taken. */
export async function findFreeName(db: Reader, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) if ((await findUser(db, name)) === undefined) return name;
  return undefined;
}

/** Finds the account by id, but only if it has one of the entry's current names: a renamed person is not followed. */
async function findById(db: Reader, { names, ids }: DirectoryPerson): Promise<UserRow | undefined> {
  if (ids.length === 0) return undefined;
  const rows = await findUsersByExternalId(db, ids);
  return rows.find(({ username }) => names.some((name) => isSameDirectoryName(name, username)));
}

/** An account without a stored id, or any account if the directory shows no ids. */
async function findByOtherName(db: Reader, person: DirectoryPerson): Promise<UserRow | undefined> {
  for (const name of person.names) {
    const row = await findUser(db, name);
    const canBeOwn = row?.external_id === null || person.ids.length === 0;
    if (row?.auth_type === "LDAP" && canBeOwn) return row;
  }
  return undefined;
}
