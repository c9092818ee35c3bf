import type { Reader } from "../db/database.ts";
import { foldDirectoryName, isSameDirectoryName } from "../db/directory-names.ts";
import { deleteMemberships, ensureMember, listGroups, listGroupsOf } from "../db/queries/groups.ts";
import { memberAdded, memberRemoved } from "./events.ts";
import { createGroup } from "./membership.ts";
import { record, type Writer } from "./writer.ts";

/** How the groups of a directory become groups here. */
export interface GroupRules {
  /** mirror: memberships that the directory does not name end; add: they stay. */
  readonly mode: "mirror" | "add";
  readonly adminGroup: string;
  /** Whether the directory decides who is in the admin group; if not, it is neither joined nor left. */
  readonly adminFromDirectory: boolean;
  /** Whether a group may have this name here. */
  readonly accepts: (name: string) => boolean;
}

/** What has to change so that a user is in the directory's groups. */
export interface GroupPlan {
  readonly joins: readonly string[];
  readonly leaves: readonly string[];
  /** All groups afterwards, in order. */
  readonly result: readonly string[];
  /** Names in the directory that no group may have here. */
  readonly leftOut: readonly string[];
  /** Whether a group has to be created whose name must first be compared with all others. */
  readonly createsGroup: boolean;
}

/** The plan for a user, by the stored name; without a name for one who has no account yet. */
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
 * The group here for each name in the directory: the admin group, the group of exactly this name, or else the first one
 * whose name differs in case only. Undefined where there is none.
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

/** Creates the groups that are missing. */
export async function createGroups(writer: Writer, names: readonly string[]): Promise<void> {
  for (const name of names) await createGroup(writer, name);
}

/**
 * Adds the user to groups and creates those that are missing; `takeUser` locks or creates the user's row. Groups before
 * the user, as everywhere: two transactions that lock in different orders would wait for each other.
 */
export async function joinGroups(
  writer: Writer,
  username: string,
  joins: readonly string[],
  takeUser: () => Promise<void>,
): Promise<void> {
  await createGroups(writer, joins);
  await takeUser();
  for (const name of joins) await ensureMember(writer.trx, name, username);
  await record(writer, ...joins.map((name) => memberAdded(username, name)));
}

/** Takes the user out of groups. */
export async function leaveGroups(
  writer: Writer,
  username: string,
  leaves: readonly string[],
): Promise<void> {
  if (leaves.length === 0) return;
  await deleteMemberships(writer.trx, username, leaves);
  await record(writer, ...leaves.map((name) => memberRemoved(username, name)));
}
