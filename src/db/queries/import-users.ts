import type { Database, Trx } from "../database.ts";
import { isDuplicate } from "../faults.ts";
import { foldName } from "../names.ts";
import { toSqlTime } from "../time.ts";
import { inTransaction } from "../transaction.ts";
import { type NewEvent, recordEvents } from "./events.ts";
import { ensureGroup, ensureMember } from "./groups.ts";
import { type KnownAccount, readKnown } from "./import-known.ts";
import {
  type Changes,
  type ImportedUser,
  type ImportRules,
  type ImportVerdict,
  missingGroups,
  planFor,
  refused,
} from "./import-plan.ts";
import { changeUser, type UserChanges } from "./users.ts";

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
          const imported = await importUsers(trx, users, rules);
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

async function importUsers(trx: Trx, users: readonly ImportedUser[], rules: ImportRules): Promise<Imported> {
  const known = await readKnown(trx, users);
  const plans = users.map((user) => planFor(user, known, rules));
  const madeGroups = missingGroups(users, plans, known);
  for (const name of madeGroups) await ensureGroup(trx, name);
  const verdicts: ImportVerdict[] = [];
  const news: NewUser[] = [];
  for (const [index, plan] of plans.entries()) {
    const user = users[index];
    if ("verdict" in plan) verdicts[index] = plan.verdict;
    else if (plan.do === "update") verdicts[index] = await update(trx, plan.account, plan.changes, rules);
    else if (user !== undefined) news.push({ index, user, row: toRow(user) });
  }
  if (news.length > 0)
    await trx
      .insertInto("user")
      .values(news.map(({ row }) => row))
      .execute();
  for (const { index } of news) verdicts[index] = { outcome: "created" };
  await addMembers(trx, news);
  await recordEvents(trx, [...madeGroups.map(groupCreated), ...news.flatMap(userCreated)]);
  return { verdicts, madeGroups };
}

async function update(
  trx: Trx,
  account: KnownAccount,
  { fields, groups }: Changes,
  { adminGroup }: ImportRules,
): Promise<ImportVerdict> {
  if (Object.keys(fields).length > 0) {
    // That somebody reads what is sent to the address before says nothing of another one.
    const isOther = fields.email !== undefined && foldName(fields.email) !== foldName(account.email ?? "");
    const changes = isOther ? { ...fields, email_verified_at: null } : fields;
    const outcome = await changeUser(trx, account, changes, adminGroup);
    if (outcome === "no such user") return refused("differs"); // it was made anew at this moment
    if (outcome !== "changed" && outcome !== "session ended") return refused(outcome);
    await recordEvents(
      trx,
      userChanged(account.username, fields, {
        sessionEnded: outcome === "session ended",
        previousEmail: isOther ? account.email : null,
      }),
    );
  }
  for (const name of groups) await ensureMember(trx, name, account.username);
  await recordEvents(
    trx,
    groups.map((name) => memberAdded(account.username, name)),
  );
  return { outcome: "updated" };
}

function groupCreated(groupname: string): NewEvent {
  return { type: "group.created", username: null, actor: null, data: { groupname } };
}

function memberAdded(username: string, groupname: string): NewEvent {
  return { type: "group.member_added", username, actor: null, data: { groupname } };
}

function userCreated({ user, row }: NewUser): NewEvent[] {
  const { username, email, auth_type } = row;
  const data = { email, auth_type, activated: row.activated === 1 };
  const created: NewEvent = { type: "user.created", username, actor: null, data };
  return [created, ...user.groups.map((name) => memberAdded(username, name))];
}

function userChanged(
  username: string,
  fields: UserChanges,
  { sessionEnded, previousEmail }: { sessionEnded: boolean; previousEmail: string | null },
): NewEvent[] {
  const { password_hash: hash, email, activated } = fields;
  const told = {
    ...(email === undefined ? {} : { email }),
    ...(activated === undefined ? {} : { activated }),
  };
  const previous = previousEmail === null ? {} : { previous_email: previousEmail };
  const changed = [...Object.keys(told), ...(hash === undefined ? [] : ["password"])];
  const change: NewEvent = {
    type: "user.changed",
    username,
    actor: null,
    data: { changed, ...told, ...previous },
  };
  const reason = hash === undefined ? "activated" : "password";
  const end: NewEvent = { type: "session.revoked", username, actor: null, data: { reason } };
  return sessionEnded ? [change, end] : [change];
}

interface NewUser {
  readonly index: number;
  readonly user: ImportedUser;
  readonly row: ReturnType<typeof toRow>;
}

/** Memberships of one statement. */
const MEMBERS = 1000;

async function addMembers(trx: Trx, news: readonly NewUser[]): Promise<void> {
  const rows = news.flatMap(({ user: { username, groups } }) =>
    groups.map((groupname) => ({ username, groupname })),
  );
  for (let from = 0; from < rows.length; from += MEMBERS)
    await trx
      .insertInto("usergroup")
      .values(rows.slice(from, from + MEMBERS))
      .execute();
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
