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

/** What became of each user, and the groups that were made. */
export interface Imported {
  readonly verdicts: readonly ImportVerdict[];
  readonly madeGroups: readonly string[];
}

/** So long a batch waits for others that write, in milliseconds: nobody waits for its answer. */
const PATIENCE = 60_000;

/** So often a batch is tried while others make the same users: each time it sees those that were made before. */
const ATTEMPTS = 5;

class TakenBack extends Error {
  readonly imported: Imported;

  constructor(imported: Imported) {
    super("taken back");
    this.imported = imported;
  }
}

/**
 * Takes users in by one transaction, of which no two have the same name or address; nothing is written where `isKept` does
 * not want what would become of them. Memberships are added and never taken away; a user that is there with all that
 * is said of it is unchanged, so the same users can be taken in again.
 */
export async function importBatch(
  db: Database,
  users: readonly ImportedUser[],
  rules: ImportRules,
  isKept: (imported: Imported) => boolean,
): Promise<Imported> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(
        db,
        async (trx) => {
          const imported = await importUsers({ trx, actor: null }, users, rules);
          if (!isKept(imported)) throw new TakenBack(imported);
          return imported;
        },
        PATIENCE,
      );
    } catch (error) {
      if (error instanceof TakenBack) return error.imported;
      if (!isDuplicate(error) || attempt === ATTEMPTS) throw error;
    }
  }
}

async function importUsers(
  writer: Writer,
  users: readonly ImportedUser[],
  rules: ImportRules,
): Promise<Imported> {
  const { trx } = writer;
  const known = await readKnown(trx, users);
  const plans = users.map((user) => planFor(user, known, rules));
  const madeGroups = missingGroups(users, plans, known);
  for (const name of madeGroups) await ensureGroup(trx, name);
  const verdicts: ImportVerdict[] = [];
  const news: NewUser[] = [];
  for (const [index, plan] of plans.entries()) {
    const user = users[index];
    if ("verdict" in plan) verdicts[index] = plan.verdict;
    else if (plan.do === "update") verdicts[index] = await update(writer, plan.account, plan.changes, rules);
    else if (user !== undefined) news.push({ index, user, row: toRow(user) });
  }
  if (news.length > 0)
    await insertUsers(
      trx,
      news.map(({ row }) => row),
    );
  for (const { index } of news) verdicts[index] = { outcome: "created" };
  await insertMembers(
    trx,
    news.flatMap(({ user: { username, groups } }) => groups.map((groupname) => ({ username, groupname }))),
  );
  await record(
    writer,
    ...madeGroups.map(groupCreated),
    ...news.flatMap(({ user: { groups }, row }) => [
      userCreated({ ...row, activated: row.activated === 1 }),
      ...groups.map((name) => memberAdded(row.username, name)),
    ]),
  );
  return { verdicts, madeGroups };
}

async function update(
  writer: Writer,
  account: KnownAccount,
  { fields, groups }: Changes,
  { adminGroup }: ImportRules,
): Promise<ImportVerdict> {
  if (Object.keys(fields).length > 0) {
    const outcome = await changeAccount(writer, account, fields, { adminGroup });
    if (outcome === "no such user") return refused("differs"); // it was deleted and created again at this moment
    if (outcome !== "changed" && outcome !== "unchanged") return refused(outcome);
  }
  for (const name of groups) await ensureMember(writer.trx, name, account.username);
  await record(writer, ...groups.map((name) => memberAdded(account.username, name)));
  return { outcome: "updated" };
}

interface NewUser {
  readonly index: number;
  readonly user: ImportedUser;
  readonly row: ReturnType<typeof toRow>;
}

function toRow({ email_verified_at, ...user }: ImportedUser) {
  const { username, email, auth_type, activated, password_hash, created_at } = user;
  const now = new Date();
  return {
    username,
    email,
    auth_type: auth_type ?? "LOCAL",
    activated: Number(activated ?? true),
    password_hash: password_hash ?? null,
    // Deactivated elsewhere: earlier than modified_at, so that it is not taken for one that waits for its first proof.
    created_at: toSqlTime(created_at ?? (activated === false ? new Date(now.getTime() - 1000) : now)),
    modified_at: toSqlTime(now),
    email_verified_at: email_verified_at == null ? null : toSqlTime(email_verified_at),
  };
}
