import type { Database, Db, Trx } from "../database.ts";
import { isDuplicate } from "../faults.ts";
import type { UserRow } from "../tables.ts";
import { toSqlTime } from "../time.ts";
import { inTransaction } from "../transaction.ts";
import {
  type GroupPlan,
  type GroupRules,
  joinGroups,
  leaveGroups,
  lockGroupCreation,
  planGroups,
} from "./directory-groups.ts";
import { recordEvent } from "./events.ts";
import { findUser, lockUser } from "./users.ts";

/** A user as the directory describes it. */
export interface DirectoryUser {
  readonly username: string;
  readonly email: string;
  readonly groups: readonly string[];
}

/** The user's row and groups as they are now; or why there are none: the email, or the name, is another account's. */
export type SyncOutcome =
  | {
      readonly outcome: "synced";
      readonly user: UserRow;
      readonly groups: readonly string[];
      /** Names of groups in the directory that no group may have here. */
      readonly leftOut: readonly string[];
      readonly emailKept: boolean;
    }
  | { readonly outcome: "email taken" | "not a directory user" };

/**
 * Makes the database say of a user what the directory says: row, email, groups and memberships, in one transaction;
 * writes nothing where nothing changed. An email that is taken keeps a new user out, and an old one its old address.
 * `known` is the row that was found by the name a moment ago.
 */
export async function syncDirectoryUser(
  db: Database,
  user: DirectoryUser,
  known: UserRow | undefined,
  rules: GroupRules,
): Promise<SyncOutcome> {
  const row = known ?? (await findUser(db, user.username));
  if (row === undefined) return createUser(db, user, rules);
  if (row.auth_type !== "LDAP") return { outcome: "not a directory user" };
  const plan = await planGroups(db, row.username, user.groups, rules);
  const replan: Replan = (on) => planGroups(on, row.username, user.groups, rules);
  const email = row.email === user.email ? undefined : user.email;
  if (email === undefined && plan.joins.length === 0 && plan.leaves.length === 0) return synced(row, plan);
  try {
    return await applyChanges(db, row, email, plan, replan);
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    const changed = await applyChanges(db, row, undefined, plan, replan);
    return changed.outcome === "synced" ? { ...changed, emailKept: true } : changed;
  }
}

type Replan = (db: Db) => Promise<GroupPlan>;

/** The plan, made again where groups are created: another login may have created them since. */
async function settled(trx: Trx, plan: GroupPlan, replan: Replan): Promise<GroupPlan> {
  if (!plan.createsGroup) return plan;
  await lockGroupCreation(trx);
  return replan(trx);
}

async function applyChanges(
  db: Database,
  row: UserRow,
  email: string | undefined,
  plan: GroupPlan,
  replan: Replan,
): Promise<SyncOutcome> {
  const { username } = row;
  return inTransaction(db, async (trx) => {
    const groups = await settled(trx, plan, replan);
    // The directory took its time, and the name may be another kind of account's by now.
    const isStillThere = async (): Promise<boolean> => (await lockUser(trx, username))?.auth_type === "LDAP";
    if (!(await joinGroups(trx, username, groups.joins, isStillThere)))
      return { outcome: "not a directory user" };
    if (email !== undefined) {
      const change = { email, email_verified_at: null, modified_at: toSqlTime(new Date()) };
      await trx.updateTable("user").set(change).where("username", "=", username).execute();
      const data = { changed: ["email"], email };
      await recordEvent(trx, { type: "user.changed", username, actor: null, data });
    }
    await leaveGroups(trx, username, groups.leaves);
    return synced(row, groups);
  });
}

async function createUser(db: Database, user: DirectoryUser, rules: GroupRules): Promise<SyncOutcome> {
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
  const replan: Replan = (on) => planGroups(on, undefined, user.groups, rules);
  const plan = await replan(db);
  try {
    return await inTransaction(db, async (trx) => {
      const groups = await settled(trx, plan, replan);
      await joinGroups(trx, username, groups.joins, async () => {
        await trx.insertInto("user").values(row).execute();
        const data = { email, auth_type: row.auth_type, activated: true };
        await recordEvent(trx, { type: "user.created", username, actor: null, data });
        return true;
      });
      return synced(row, groups);
    });
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    // Another login of the same person made the row meanwhile, or somebody else has the address.
    const other = await findUser(db, username);
    return other === undefined ? { outcome: "email taken" } : syncDirectoryUser(db, user, other, rules);
  }
}

function synced(user: UserRow, { result, leftOut }: GroupPlan): Extract<SyncOutcome, { outcome: "synced" }> {
  return { outcome: "synced", user, groups: result, leftOut, emailKept: false };
}
