import type { Reader } from "../db/database.ts";
import { foldDirectoryName, isSameDirectoryName } from "../db/directory-names.ts";
import { deleteMemberships, ensureMember, listGroups, listGroupsOf } from "../db/queries/groups.ts";
import { memberAdded, memberRemoved } from "./events.ts";
import { createGroup } from "./membership.ts";
import { record, type Writer } from "./writer.ts";

/** Settings that map directory groups to authmq groups. */
export interface GroupRules {
  /** mirror: memberships that the directory does not list are removed; add: they are kept. */
  readonly mode: "mirror" | "add";
  readonly adminGroup: string;
  /** Whether the directory controls membership of the admin group; if not, a sync never changes it. */
  readonly adminFromDirectory: boolean;
  /** Whether authmq accepts this group name. */
  readonly accepts: (name: string) => boolean;
}

/** The changes that bring a user into the directory's groups. */
export interface GroupPlan {
  readonly joins: readonly string[];
  readonly leaves: readonly string[];
  /** All groups after the changes, sorted. */
  readonly result: readonly string[];
  /** Group names in the directory that authmq does not accept. */
  readonly leftOut: readonly string[];
  /** Whether a group must be created, which needs a comparison with all existing names. */
  readonly createsGroup: boolean;
}

/** Plans the changes for a user, by the stored name; undefined for a user without an account. */
export async function planGroups(
  db: Reader,
  username: string | undefined,
  wanted: readonly string[],
  { mode, adminGroup, adminFromDirectory, accepts }: GroupRules,
): Promise<GroupPlan> {
  const current = username === undefined ? [] : await listGroupsOf(db, username);
  const found = await findGroupsFor(db, wanted, current, adminGroup);
  const targets = [...found].map(([name, known]) => ({
    name,
    target: known ?? name,
    isNew: known === undefined,
  }));
  const counts = (name: string): boolean => adminFromDirectory || name !== adminGroup;
  const accepted = targets.filter(({ target }) => accepts(target));
  const groups = [...new Set(accepted.map(({ target }) => target))].filter(counts);
  const joins = groups.filter((name) => !current.includes(name)).sort();
  const leaves = mode === "add" ? [] : current.filter((name) => counts(name) && !groups.includes(name));
  return {
    joins,
    leaves,
    result: [...current.filter((name) => !leaves.includes(name)), ...joins].sort(),
    leftOut: targets.filter(({ target }) => !accepts(target)).map(({ name }) => name),
    createsGroup: accepted.some(({ isNew }) => isNew),
  };
}

/**
 * Maps each directory name to a group: the admin group, the group with exactly this name, or the first one that differs
 * only in case. Undefined if there is none.
 */
async function findGroupsFor(
  db: Reader,
  wanted: readonly string[],
  current: readonly string[],
  adminGroup: string,
): Promise<ReadonlyMap<string, string | undefined>> {
  const known = new Set(current);
  const isSettled = (name: string): boolean => isSameDirectoryName(name, adminGroup) || known.has(name);
  const byFoldedName = new Map<string, string>();
  if (!wanted.every(isSettled)) {
    for (const name of await listGroups(db)) {
      known.add(name);
      const key = foldDirectoryName(name);
      if (!byFoldedName.has(key)) byFoldedName.set(key, name);
    }
  }
  const groupFor = (name: string): string | undefined => {
    if (isSameDirectoryName(name, adminGroup)) return adminGroup;
    return known.has(name) ? name : byFoldedName.get(foldDirectoryName(name));
  };
  return new Map(wanted.map((name) => [name, groupFor(name)]));
}

/** Creates missing groups. */
export async function createGroups(writer: Writer, names: readonly string[]): Promise<void> {
  for (const name of names) await createGroup(writer, name);
}

/**
 * Adds the user to groups, and creates missing ones. `lockOrCreateUser` provides the user's row. Groups are locked
 * before the user, as everywhere: different orders would deadlock.
 */
export async function joinGroups(
  writer: Writer,
  username: string,
  joins: readonly string[],
  lockOrCreateUser: () => Promise<void>,
): Promise<void> {
  await createGroups(writer, joins);
  await lockOrCreateUser();
  for (const name of joins) await ensureMember(writer.trx, name, username);
  await record(writer, ...joins.map((name) => memberAdded(username, name)));
}

/** Removes the user from groups. */
export async function leaveGroups(
  writer: Writer,
  username: string,
  leaves: readonly string[],
): Promise<void> {
  if (leaves.length === 0) return;
  await deleteMemberships(writer.trx, username, leaves);
  await record(writer, ...leaves.map((name) => memberRemoved(username, name)));
}
