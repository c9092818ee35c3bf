import type { Database, Reader } from "../db/database.ts";
import { isDuplicate } from "../db/faults.ts";
import { isSameName } from "../db/names.ts";
import { lockGroupCreation } from "../db/queries/groups.ts";
import { findUser, findUserByEmail, insertUsers, lockUser, updateUser } from "../db/queries/users.ts";
import type { UserRow } from "../db/tables.ts";
import { toSqlTime } from "../db/time.ts";
import { inTransaction } from "../db/transaction.ts";
import { AppError } from "../errors.ts";
import { type DirectoryPerson, findAccountOf, findFreeName, isAnotherPerson } from "./directory-accounts.ts";
import {
  createGroups,
  type GroupPlan,
  type GroupRules,
  joinGroups,
  leaveGroups,
  planGroups,
} from "./directory-groups.ts";
import { userChanged, userCreated } from "./events.ts";
import { endSessionsOf } from "./sessions.ts";
import { record, type Writer } from "./writer.ts";

/** A user as read from the directory. */
export interface DirectoryUser extends DirectoryPerson {
  /** The email address for an account with this name. */
  readonly emailOf: (username: string) => string;
  readonly groups: readonly string[];
}

/** The synced user row and groups, or why the account was not synced. */
export type SyncOutcome =
  | {
      readonly outcome: "synced";
      /** Without an email if the directory's address belongs to another account. */
      readonly user: UserRow;
      readonly groups: readonly string[];
      /** Group names in the directory that authmq does not accept. */
      readonly leftOut: readonly string[];
    }
  | { readonly outcome: "another person" | "not a directory user" };

/** Attempts to sync an account that other transactions keep changing. */
const ATTEMPTS = 5;

/**
 * Updates or creates the account of a user whose password was just verified: id, email, groups and memberships. Writes
 * nothing if nothing changed. Revokes the session of an account that belongs to another person.
 */
export async function syncAtLogin(
  db: Database,
  user: DirectoryUser,
  rules: GroupRules,
): Promise<SyncOutcome> {
  return retryIfChanged(async () => {
    const row = await findAccountOf(db, user);
    return row === undefined
      ? createAccount(db, user, rules)
      : syncAccount(db, user, row, { rules, isProven: true });
  });
}

/**
 * Updates the account of a session. Stores no id, because the session does not prove that the directory entry is the
 * same person.
 */
export async function syncSession(
  db: Database,
  user: DirectoryUser,
  username: string,
  rules: GroupRules,
): Promise<SyncOutcome> {
  return retryIfChanged(async () => {
    const row = await findUser(db, username);
    return row === undefined
      ? { outcome: "not a directory user" }
      : syncAccount(db, user, row, { rules, isProven: false });
  });
}

/** The account has changed since it was read. */
class AccountChanged extends Error {}

/** Retries when an account or the owner of an address changed concurrently. */
async function retryIfChanged(work: () => Promise<SyncOutcome>): Promise<SyncOutcome> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isDuplicate(error) && !(error instanceof AccountChanged)) throw error;
      if (attempt === ATTEMPTS)
        throw new AppError("UNAVAILABLE", "database: busy: other transactions keep changing this account", {
          cause: error,
        });
    }
  }
}

async function syncAccount(
  db: Database,
  user: DirectoryUser,
  row: UserRow,
  { rules, isProven }: { rules: GroupRules; isProven: boolean },
): Promise<SyncOutcome> {
  const { username } = row;
  if (row.auth_type !== "LDAP") return { outcome: "not a directory user" };
  if (isAnotherPerson(row, user)) {
    await endSessions(db, user, row);
    return { outcome: "another person" };
  }
  const plan: Plan = (on) => planGroups(on, username, user.groups, rules);
  const groups = await planWithGroups(db, plan);
  const email = await freeEmail(db, user, row);
  const external_id = (isProven ? user.ids[0] : undefined) ?? row.external_id;
  const changed: UserRow = { ...row, email, external_id };
  const isChanged = email !== row.email || external_id !== row.external_id;
  if (!isChanged && groups.joins.length === 0 && groups.leaves.length === 0) return synced(row, groups);
  return write(db, async (writer) => {
    await joinGroups(writer, username, groups.joins, () => lockUnchanged(writer, row));
    if (isChanged) await changeAccount(writer, row, changed);
    await leaveGroups(writer, username, groups.leaves);
    return synced(changed, groups);
  });
}

async function createAccount(db: Database, user: DirectoryUser, rules: GroupRules): Promise<SyncOutcome> {
  const username = await findFreeName(
    db,
    user.names.map((name) => name.normalize("NFC")),
  );
  // The requested name was free a moment ago: another login of the same person may have created the account.
  if (username === undefined) throw new AccountChanged();
  const now = toSqlTime(new Date());
  const email = await freeEmail(db, user, { username, email: null });
  const row: UserRow = {
    username,
    password_hash: null,
    auth_type: "LDAP",
    email,
    activated: 1,
    created_at: now,
    modified_at: now,
    email_verified_at: null,
    last_login_at: null,
    external_id: user.ids[0] ?? null,
  };
  const plan: Plan = (on) => planGroups(on, undefined, user.groups, rules);
  const groups = await planWithGroups(db, plan);
  return write(db, async (writer) => {
    await joinGroups(writer, username, groups.joins, async () => {
      await insertUsers(writer.trx, [row]);
      await record(writer, userCreated({ ...row, activated: true }));
    });
    return synced(row, groups);
  });
}

/** A transaction without an actor: the directory causes the change. */
function write<T>(db: Database, work: (writer: Writer) => Promise<T>): Promise<T> {
  return inTransaction(db, (trx) => work({ trx, actor: null }));
}

type Plan = (db: Reader) => Promise<GroupPlan>;

/**
 * Plans, and creates missing groups in a separate short transaction: it holds an exclusive lock, and other logins must
 * not wait for the rest of the sync.
 */
async function planWithGroups(db: Database, plan: Plan): Promise<GroupPlan> {
  const groups = await plan(db);
  if (!groups.createsGroup) return groups;
  return write(db, async (writer) => {
    await lockGroupCreation(writer.trx);
    const latest = await plan(writer.trx);
    await createGroups(writer, latest.joins);
    return latest;
  });
}

/** Locks the user's row. Throws AccountChanged if the name belongs to another account or person since it was read. */
async function lockUnchanged({ trx }: Writer, row: UserRow): Promise<void> {
  const now = await lockUser(trx, row.username);
  const isSame =
    now?.auth_type === row.auth_type &&
    now.created_at === row.created_at &&
    now.external_id === row.external_id;
  if (!isSame) throw new AccountChanged();
}

async function changeAccount(writer: Writer, before: UserRow, after: UserRow): Promise<void> {
  const { username, email, external_id } = after;
  const hasNewEmail = email !== before.email;
  const changes = hasNewEmail ? { external_id, email, email_verified_at: null } : { external_id };
  await updateUser(writer.trx, username, changes);
  // A session from before the account had an id may belong to another person. The login that sets the id starts a new
  // one.
  if (before.external_id === null && external_id !== null)
    await endSessionsOf(writer, username, "directory", { detail: "first-id" });
  if (!hasNewEmail) return;
  const isOther = before.email !== null && (email === null || !isSameName(before.email, email));
  await record(writer, userChanged(username, { email, previousEmail: isOther ? before.email : undefined }));
}

/** The directory's address for an account; null while it belongs to another account. */
async function freeEmail(
  db: Reader,
  user: DirectoryUser,
  { username, email }: Pick<UserRow, "username" | "email">,
): Promise<string | null> {
  const wanted = user.emailOf(username);
  if (wanted === email) return email;
  const holder = await findUserByEmail(db, wanted);
  return holder === undefined || holder.username === username ? wanted : null;
}

async function endSessions(db: Database, user: DirectoryUser, { username }: UserRow): Promise<void> {
  await write(db, async (writer) => {
    const row = await lockUser(writer.trx, username);
    if (row !== undefined && isAnotherPerson(row, user))
      await endSessionsOf(writer, username, "directory", { detail: "another-person" });
  });
}

function synced(user: UserRow, { result, leftOut }: GroupPlan): SyncOutcome {
  return { outcome: "synced", user, groups: result, leftOut };
}
