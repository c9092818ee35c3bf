import type { Reader } from "../db/database.ts";
import { isSameDirectoryName } from "../db/directory-names.ts";
import { findUser, findUsersByExternalId } from "../db/queries/users.ts";
import type { UserRow } from "../db/tables.ts";

/** A person as a directory knows it. */
export interface DirectoryPerson {
  /** The login name that was asked for. */
  readonly name: string;
  /** All login names, that one included; a new account gets the first one that is free. */
  readonly names: readonly string[];
  /** Ids of the entry, the one to be stored first; none where the directory shows none. */
  readonly ids: readonly string[];
}

/** Whether an account belongs to somebody else: the directory shows an id, and not the one that the account has. */
export function isAnotherPerson(
  { external_id }: Pick<UserRow, "external_id">,
  { ids }: Pick<DirectoryPerson, "ids">,
): boolean {
  return external_id !== null && ids.length > 0 && !ids.includes(external_id);
}

/**
 * The account of a person who logs in: the one of the name that was asked for, or else the person's own by another of its
 * names. It may be somebody else's, or no account of a directory.
 */
export async function findAccountOf(db: Reader, person: DirectoryPerson): Promise<UserRow | undefined> {
  const named = await findUser(db, person.name);
  const isCertain = named !== undefined && (named.auth_type !== "LDAP" || named.external_id !== null);
  if (isCertain) return named;
  return (await findById(db, person)) ?? named ?? (await findByOtherName(db, person));
}

/** A free name for a new account; undefined where other accounts have all of them. */
export async function findFreeName(db: Reader, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) if ((await findUser(db, name)) === undefined) return name;
  return undefined;
}

/** A person who got a new name is not looked for: only accounts of its present names are. */
async function findById(db: Reader, { names, ids }: DirectoryPerson): Promise<UserRow | undefined> {
  if (ids.length === 0) return undefined;
  const rows = await findUsersByExternalId(db, ids);
  return rows.find(({ username }) => names.some((name) => isSameDirectoryName(name, username)));
}

/** An account from before ids were stored, or where none can be compared. */
async function findByOtherName(db: Reader, person: DirectoryPerson): Promise<UserRow | undefined> {
  for (const name of person.names) {
    const row = await findUser(db, name);
    const canBeOwn = row?.external_id === null || person.ids.length === 0;
    if (row?.auth_type === "LDAP" && canBeOwn) return row;
  }
  return undefined;
}
