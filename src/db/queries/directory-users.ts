import type { Transaction } from "kysely";
import type { Database } from "../database.ts";
import { isDuplicate } from "../faults.ts";
import { isSameName } from "../names.ts";
import type { Tables, UserRow } from "../tables.ts";
import { toSqlTime } from "../time.ts";
import { inTransaction } from "../transaction.ts";
import { ensureGroup, ensureMember, listGroupsOf } from "./groups.ts";
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
  if (row.auth_type !== "LDAP" || !isSameName(row.username, user.username))
    return { outcome: "not a directory user" };
  const emailKept = row.email !== user.email && !(await changeEmail(db, row.username, user.email));
  const plan = planOf(user.groups, await listGroupsOf(db, row.username), rules);
  if (plan.joins.length > 0 || plan.leaves.length > 0) {
    await inTransaction(db, async (trx) => {
      await applyJoins(trx, row.username, plan.joins, () => lockUser(trx, row.username));
      if (plan.leaves.length === 0) return;
      await trx
        .deleteFrom("usergroup")
        .where("username", "=", row.username)
        .where("groupname", "in", plan.leaves)
        .execute();
    });
  }
  return { outcome: "synced", user: row, groups: plan.result, emailKept };
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
  };
  const { joins } = planOf(user.groups, [], rules);
  try {
    await inTransaction(db, (trx) =>
      applyJoins(trx, username, joins, () => trx.insertInto("user").values(row).execute()),
    );
    return { outcome: "synced", user: row, groups: joins, emailKept: false };
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    // Another login of the same person made the row meanwhile, or somebody else has the address.
    const other = await findUser(db, username);
    return other === undefined ? { outcome: "email taken" } : syncDirectoryUser(db, user, other, rules);
  }
}

/** Groups before the user, as everywhere: two transactions that lock in different orders would wait for each other. */
async function applyJoins(
  trx: Transaction<Tables>,
  username: string,
  joins: readonly string[],
  takeUser: () => Promise<unknown>,
): Promise<void> {
  for (const name of joins) await ensureGroup(trx, name);
  // Who was deleted meanwhile joins nothing; the login that this is part of finds out by itself.
  if ((await takeUser()) === undefined) return;
  for (const name of joins) await ensureMember(trx, name, username);
}

/** Whether the email could be changed; false when another account has it. */
async function changeEmail(db: Database, username: string, email: string): Promise<boolean> {
  try {
    await inTransaction(db, (trx) =>
      trx
        .updateTable("user")
        .set({ email, modified_at: toSqlTime(new Date()) })
        .where("username", "=", username)
        .execute(),
    );
    return true;
  } catch (error) {
    if (isDuplicate(error)) return false;
    throw error;
  }
}

function planOf(wanted: readonly string[], current: readonly string[], { mode, exempt }: SyncRules): Plan {
  const counts = (name: string): boolean => name !== exempt;
  const joins = wanted.filter((name) => counts(name) && !current.includes(name)).sort();
  const leaves = mode === "add" ? [] : current.filter((name) => counts(name) && !wanted.includes(name));
  const result = [...current.filter((name) => !leaves.includes(name)), ...joins].sort();
  return { joins, leaves, result };
}
