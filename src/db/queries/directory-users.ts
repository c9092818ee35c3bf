import type { Database, Trx } from "../database.ts";
import { isDuplicate } from "../faults.ts";
import type { UserRow } from "../tables.ts";
import { toSqlTime } from "../time.ts";
import { inTransaction } from "../transaction.ts";
import { recordEvent } from "./events.ts";
import { createGroup, ensureMember, listGroupsOf } from "./groups.ts";
import { findUser, lockUser } from "./users.ts";

/** A user as the directory describes it. */
export interface DirectoryUser {
  readonly username: string;
  readonly email: string;
  readonly groups: readonly string[];
}

/** What of a directory's word counts. */
export interface SyncRules {
  /** mirror: memberships that the directory does not name end; add: they stay. */
  readonly mode: "mirror" | "add";
  /** A group that is not the directory's business; neither joined nor left. */
  readonly exempt: string | undefined;
}

/** The user's row and groups as they are now; or why there are none: the email, or the name, is another account's. */
export type SyncOutcome =
  | {
      readonly outcome: "synced";
      readonly user: UserRow;
      readonly groups: readonly string[];
      readonly emailKept: boolean;
    }
  | { readonly outcome: "email taken" | "not a directory user" };

interface Plan {
  readonly joins: readonly string[];
  readonly leaves: readonly string[];
  /** All groups afterwards, in order. */
  readonly result: readonly string[];
}

/**
 * Makes the database say of a user what the directory says: row, email, groups and memberships, in one transaction;
 * writes nothing where nothing changed. An email that is taken keeps a new user out, and an old one its old address.
 * `known` is the row that was found by the name a moment ago.
 */
export async function syncDirectoryUser(
  db: Database,
  user: DirectoryUser,
  known: UserRow | undefined,
  rules: SyncRules,
): Promise<SyncOutcome> {
  const row = known ?? (await findUser(db, user.username));
  if (row === undefined) return makeUser(db, user, rules);
  if (row.auth_type !== "LDAP") return { outcome: "not a directory user" };
  const plan = planOf(user.groups, await listGroupsOf(db, row.username), rules);
  const email = row.email === user.email ? undefined : user.email;
  if (email === undefined && plan.joins.length === 0 && plan.leaves.length === 0)
    return { outcome: "synced", user: row, groups: plan.result, emailKept: false };
  try {
    return await applyChanges(db, row, plan, email);
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    const changed = await applyChanges(db, row, plan, undefined);
    return changed.outcome === "synced" ? { ...changed, emailKept: true } : changed;
  }
}

async function applyChanges(
  db: Database,
  row: UserRow,
  { joins, leaves, result }: Plan,
  email: string | undefined,
): Promise<SyncOutcome> {
  const { username } = row;
  return inTransaction(db, async (trx) => {
    // The directory took its time, and the name may be another kind of account's by now.
    const isStillThere = async (): Promise<boolean> => (await lockUser(trx, username))?.auth_type === "LDAP";
    if (!(await applyJoins(trx, username, joins, isStillThere))) return { outcome: "not a directory user" };
    if (email !== undefined) {
      const change = { email, email_verified_at: null, modified_at: toSqlTime(new Date()) };
      await trx.updateTable("user").set(change).where("username", "=", username).execute();
      const data = { changed: ["email"], email };
      await recordEvent(trx, { type: "user.changed", username, actor: null, data });
    }
    if (leaves.length > 0) {
      await trx
        .deleteFrom("usergroup")
        .where("username", "=", username)
        .where("groupname", "in", leaves)
        .execute();
      await recordMemberships(trx, "group.member_removed", username, leaves);
    }
    return { outcome: "synced", user: row, groups: result, emailKept: false };
  });
}

async function makeUser(db: Database, user: DirectoryUser, rules: SyncRules): Promise<SyncOutcome> {
  const { username, email } = user;
  const now = toSqlTime(new Date());
  const row: UserRow = {
    username,
    password_hash: null,
    auth_type: "LDAP",
    email,
    activated: 1,
    created_at: now,
    modified_at: now,
    email_verified_at: null,
    external_id: null,
  };
  const { joins } = planOf(user.groups, [], rules);
  try {
    await inTransaction(db, (trx) =>
      applyJoins(trx, username, joins, async () => {
        await trx.insertInto("user").values(row).execute();
        const data = { email, auth_type: row.auth_type, activated: true };
        await recordEvent(trx, { type: "user.created", username, actor: null, data });
        return true;
      }),
    );
    return { outcome: "synced", user: row, groups: joins, emailKept: false };
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    // Another login of the same person made the row meanwhile, or somebody else has the address.
    const other = await findUser(db, username);
    return other === undefined ? { outcome: "email taken" } : syncDirectoryUser(db, user, other, rules);
  }
}

/**
 * Makes the user a member; false, and nothing of that, when `takeUser` finds no user to do it with. Groups before the
 * user, as everywhere: two transactions that lock in different orders would wait for each other.
 */
async function applyJoins(
  trx: Trx,
  username: string,
  joins: readonly string[],
  takeUser: () => Promise<boolean>,
): Promise<boolean> {
  for (const groupname of joins)
    if ((await createGroup(trx, groupname)) === "created")
      await recordEvent(trx, { type: "group.created", username: null, actor: null, data: { groupname } });
  if (!(await takeUser())) return false;
  for (const name of joins) await ensureMember(trx, name, username);
  await recordMemberships(trx, "group.member_added", username, joins);
  return true;
}

async function recordMemberships(
  trx: Trx,
  type: "group.member_added" | "group.member_removed",
  username: string,
  groups: readonly string[],
): Promise<void> {
  for (const groupname of groups)
    await recordEvent(trx, { type, username, actor: null, data: { groupname } });
}

function planOf(wanted: readonly string[], current: readonly string[], { mode, exempt }: SyncRules): Plan {
  const counts = (name: string): boolean => name !== exempt;
  const joins = wanted.filter((name) => counts(name) && !current.includes(name)).sort();
  const leaves = mode === "add" ? [] : current.filter((name) => counts(name) && !wanted.includes(name));
  const result = [...current.filter((name) => !leaves.includes(name)), ...joins].sort();
  return { joins, leaves, result };
}
