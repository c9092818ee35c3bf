import type { Database } from "../db/database.ts";
import { isDuplicate } from "../db/faults.ts";
import { ensureGroup, ensureMember, insertMembers } from "../db/queries/groups.ts";
import { type KnownAccount, readKnown } from "../db/queries/import-known.ts";
import { insertUsers } from "../db/queries/users.ts";
import { toSqlTime } from "../db/time.ts";
import { inTransaction } from "../db/transaction.ts";
import { changeAccount } from "./change.ts";
import { groupCreated, memberAdded, userCreated } from "./events.ts";
import {
  type Changes,
  type ImportedUser,
  type ImportRules,
  type ImportVerdict,
  missingGroups,
  planFor,
  refused,
} from "./import-plan.ts";
import { record, type Writer } from "./writer.ts";

/** The result for each user, and the groups that were created. */
export interface Imported {
  readonly verdicts: ReadonlyMap<ImportedUser, ImportVerdict>;
  readonly groups: readonly string[];
}

/** How long a batch waits for the write lock, in milliseconds: no caller waits for an import. */
const LOCK_TIMEOUT = 60_000;

/** Attempts at a batch while other processes create the same users; each attempt sees the users created before. */
const ATTEMPTS = 5;

class RolledBack extends Error {
  readonly result: unknown;

  constructor(result: unknown) {
    super("rolled back");
    this.result = result;
  }
}

/**
 * Imports users in one transaction; no two may share a name or address. Rolls back if `isKept` rejects the result. Only
 * adds memberships. An existing user without differences is unchanged, so an import can be repeated.
 */
export function importBatch(
  db: Database,
  users: readonly ImportedUser[],
  rules: ImportRules,
  isKept: (imported: Imported) => boolean,
): Promise<Imported> {
  return inImport(db, (writer) => importUsers(writer, users, rules), isKept);
}

/**
 * Runs one batch of an import in a transaction, again if other processes create the same rows. Rolls back if `isKept`
 * rejects the result; returns it in any case.
 */
export async function inImport<T>(
  db: Database,
  work: (writer: Writer) => Promise<T>,
  isKept: (result: T) => boolean,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(
        db,
        async (trx) => {
          const result = await work({ trx, actor: null });
          if (!isKept(result)) throw new RolledBack(result);
          return result;
        },
        LOCK_TIMEOUT,
      );
    } catch (error) {
      if (error instanceof RolledBack) return error.result as T; // `work` of this call returned it
      if (!isDuplicate(error) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Imports users in the transaction of `writer`, as `importBatch`. */
export async function importUsers(
  writer: Writer,
  users: readonly ImportedUser[],
  rules: ImportRules,
): Promise<Imported> {
  const known = await readKnown(writer.trx, users);
  const plans = new Map(users.map((user) => [user, planFor(user, known, rules)]));
  const groups = missingGroups(plans, known);
  for (const name of groups) await ensureGroup(writer.trx, name);
  await record(writer, ...groups.map(groupCreated));
  const verdicts = new Map<ImportedUser, ImportVerdict>();
  const newcomers: ImportedUser[] = [];
  for (const [user, plan] of plans) {
    if ("verdict" in plan) verdicts.set(user, plan.verdict);
    else if (plan.do === "update")
      verdicts.set(user, await update(writer, plan.account, plan.changes, rules));
    else {
      verdicts.set(user, { outcome: "created" });
      newcomers.push(user);
    }
  }
  if (newcomers.length > 0) await create(writer, newcomers);
  return { verdicts, groups };
}

/** Creates all accounts with one statement. */
async function create(writer: Writer, users: readonly ImportedUser[]): Promise<void> {
  const members = users.flatMap(({ username, groups }) =>
    groups.map((groupname) => ({ username, groupname })),
  );
  await insertUsers(writer.trx, users.map(toRow));
  await insertMembers(writer.trx, members);
  await record(
    writer,
    ...users.flatMap(({ username, email = null, auth_type = "LOCAL", activated = true, groups }) => [
      userCreated({ username, email, auth_type, activated }),
      ...groups.map((name) => memberAdded(username, name)),
    ]),
  );
}

async function update(
  writer: Writer,
  account: KnownAccount,
  { fields, groups }: Changes,
  { adminGroup }: ImportRules,
): Promise<ImportVerdict> {
  if (Object.keys(fields).length > 0) {
    const outcome = await changeAccount(writer, account, fields, { adminGroup });
    if (outcome === "no such user") return refused("differs"); // deleted and recreated concurrently
    if (outcome !== "changed" && outcome !== "unchanged") return refused(outcome);
  }
  for (const name of groups) await ensureMember(writer.trx, name, account.username);
  await record(writer, ...groups.map((name) => memberAdded(account.username, name)));
  return { outcome: "updated" };
}

function toRow({ auth_type = "LOCAL", activated = true, ...user }: ImportedUser) {
  const { username, email = null, password_hash, created_at, email_verified_at } = user;
  const now = new Date();
  // A deactivated account gets `created_at` before `modified_at`: equal values mean that it waits for email
  // verification.
  const creation = created_at ?? (activated ? now : new Date(now.getTime() - 1000));
  return {
    username,
    email,
    auth_type,
    password_hash: password_hash ?? null,
    activated: Number(activated),
    created_at: toSqlTime(creation),
    modified_at: toSqlTime(now),
    email_verified_at: email_verified_at === undefined ? null : toSqlTime(email_verified_at),
  };
}
