import type { Database, Reader } from "../db/database.ts";
import { isDuplicate } from "../db/faults.ts";
import { isSameName } from "../db/names.ts";
import { lockGroupCreation } from "../db/queries/groups.ts";
import {
  deleteIdTokenOf,
  findUser,
  findUserByEmail,
  insertUsers,
  lockUser,
  updateUser,
} from "../db/queries/users.ts";
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
import { endSessionOf } from "./sessions.ts";
import { record, type Writer } from "./writer.ts";

/** A user as the directory describes it. */
export interface DirectoryUser extends DirectoryPerson {
  /** The address of an account of this name. */
  readonly emailOf: (username: string) => string;
  readonly groups: readonly string[];
}

/** The user's row and groups as they are now; or whose account it is instead. */
export type SyncOutcome =
  | {
      readonly outcome: "synced";
      /** Without an email where the directory's is another account's. */
      readonly user: UserRow;
      readonly groups: readonly string[];
      /** Names of groups in the directory that no group may have here. */
      readonly leftOut: readonly string[];
    }
  | { readonly outcome: "another person" | "not a directory user" };

/** So often another transaction may come between the reading of an account and its change. */
const ATTEMPTS = 5;

/**
 * Brings the account of a user up to date who has just proven the password, or creates it: id, email, groups and
 * memberships, in one transaction; writes nothing where nothing changed. Ends the sessions of an account that was
 * another person's.
 */
export async function syncAtLogin(
  db: Database,
  user: DirectoryUser,
  rules: GroupRules,
): Promise<SyncOutcome> {
  return settled(async () => {
    const row = await findAccountOf(db, user);
    return row === undefined
      ? createAccount(db, user, rules)
      : syncAccount(db, user, row, { rules, isProven: true });
  });
}

/** The same for the account of a session. No id is stored: nobody has proven to be the person whose entry it is. */
export async function syncSession(
  db: Database,
  user: DirectoryUser,
  username: string,
  rules: GroupRules,
): Promise<SyncOutcome> {
  return settled(async () => {
    const row = await findUser(db, username);
    return row === undefined
      ? { outcome: "not a directory user" }
      : syncAccount(db, user, row, { rules, isProven: false });
  });
}

/** The account is not what it was when it was read. */
class AccountChanged extends Error {}

/** Begins again where an account, or the holder of an address, has changed meanwhile. */
async function settled(work: () => Promise<SyncOutcome>): Promise<SyncOutcome> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isDuplicate(error) && !(error instanceof AccountChanged)) throw error;
      if (attempt === ATTEMPTS) throw new AppError("UNAVAILABLE", "database: busy", { cause: error });
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
    await joinGroups(writer, username, groups.joins, () => lockSame(writer, row));
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
  // The name that was asked for was free a moment ago: another login of the same person may have created the account.
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

/** A transaction that no caller causes: the directory does. */
function write<T>(db: Database, work: (writer: Writer) => Promise<T>): Promise<T> {
  return inTransaction(db, (trx) => work({ trx, actor: null }));
}

type Plan = (db: Reader) => Promise<GroupPlan>;

/**
 * The plan, when the groups that it needs are there. They are created in a short transaction of their own: logins that
 * create groups take turns, and must not wait for the rest of each other's.
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

/** The directory took its time: the name may be another account's by now, or the account another person's. */
async function lockSame({ trx }: Writer, row: UserRow): Promise<void> {
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
  // Who began a session before the account had an id may have been somebody else. The login that sets it begins another.
  if (before.external_id === null && external_id !== null) await deleteIdTokenOf(writer.trx, username);
  if (!hasNewEmail) return;
  const isOther = before.email !== null && (email === null || !isSameName(before.email, email));
  await record(writer, userChanged(username, { email, previousEmail: isOther ? before.email : undefined }));
}

/** The directory's address for an account; null while another account has it. */
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
      await endSessionOf(writer, username, "directory", "another-person");
  });
}

function synced(user: UserRow, { result, leftOut }: GroupPlan): SyncOutcome {
  return { outcome: "synced", user, groups: result, leftOut };
}
