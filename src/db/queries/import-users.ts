import type { Database, Trx } from "../database.ts";
import { isDuplicate } from "../faults.ts";
import { foldName } from "../names.ts";
import type { AuthType } from "../tables.ts";
import { toSqlTime } from "../time.ts";
import { inTransaction } from "../transaction.ts";
import { ensureGroup, ensureMember } from "./groups.ts";
import { type KnownAccount, type Known, readKnown } from "./import-known.ts";
import { changeUser, isNameTaken, type UserChanges } from "./users.ts";

/** A user as another system describes it. */
export interface ImportedUser {
  readonly username: string;
  readonly email: string;
  readonly auth_type: AuthType;
  readonly activated: boolean;
  /** Undefined where nothing is said: a new account has none then, and one that is there keeps its own. */
  readonly password_hash: Uint8Array | undefined;
  readonly groups: readonly string[];
  /** Of a new account; now where nothing is said. */
  readonly created_at: Date | undefined;
}

/** What is done with users and groups that are there, or are not. */
export interface ImportRules {
  /** An account that is there with other content: left alone, changed, or refused. */
  readonly onConflict: "skip" | "update" | "fail";
  readonly createGroups: boolean;
  readonly adminGroup: string;
}

/** Why a user was not taken; `detail` names groups or columns. */
export interface ImportRefusal {
  readonly outcome: "refused";
  readonly reason:
    | "differs"
    | "username taken"
    | "email taken"
    | "no such group"
    | "source differs"
    | "last admin";
  readonly detail: readonly string[];
}

/** What became of a user. */
export type ImportVerdict =
  | { readonly outcome: "created" | "updated" | "unchanged" | "skipped" }
  | ImportRefusal;

/** What became of each user, and the groups that were made. */
export interface Imported {
  readonly verdicts: readonly ImportVerdict[];
  readonly madeGroups: readonly string[];
}

type Plan =
  | { readonly do: "create" }
  | { readonly do: "update"; readonly account: KnownAccount; readonly changes: Changes }
  | { readonly verdict: ImportVerdict };

interface Changes {
  readonly fields: UserChanges;
  readonly groups: readonly string[];
}

/** So long a batch waits for others that write, in milliseconds: nobody waits for its answer. */
const PATIENCE = 60_000;

class TakenBack extends Error {
  readonly imported: Imported;

  constructor(imported: Imported) {
    super("taken back");
    this.imported = imported;
  }
}

/** Takes users in by one transaction; nothing is written where `isKept` does not want what would become of them. */
export async function importBatch(
  db: Database,
  users: readonly ImportedUser[],
  rules: ImportRules,
  isKept: (imported: Imported) => boolean,
): Promise<Imported> {
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
    throw error;
  }
}

/**
 * Takes users in, of which no two have the same name or address. Memberships are added and never taken away; a user
 * that is there with all that is said of it is unchanged, so the same users can be taken in again.
 */
async function importUsers(trx: Trx, users: readonly ImportedUser[], rules: ImportRules): Promise<Imported> {
  const known = await readKnown(trx, users);
  const plans = users.map((user) => planFor(user, known, rules));
  const madeGroups = missingGroups(users, plans, known);
  for (const name of madeGroups) await ensureGroup(trx, name);
  const verdicts = new Map<number, ImportVerdict>();
  const news: number[] = [];
  for (const [index, plan] of plans.entries()) {
    if ("verdict" in plan) verdicts.set(index, plan.verdict);
    else if (plan.do === "create") news.push(index);
    else verdicts.set(index, await update(trx, plan.account, plan.changes, rules));
  }
  for (const [index, verdict] of await createAll(trx, users, news)) verdicts.set(index, verdict);
  return { verdicts: users.map((_, index) => verdicts.get(index) ?? { outcome: "unchanged" }), madeGroups };
}

function planFor(user: ImportedUser, known: Known, rules: ImportRules): Plan {
  const account = known.accounts.get(foldName(user.username));
  const owner = known.owners.get(foldName(user.email));
  const conflict = (reason: ImportRefusal["reason"], detail: readonly string[] = []): Plan => ({
    verdict: rules.onConflict === "skip" ? { outcome: "skipped" } : { outcome: "refused", reason, detail },
  });
  if (owner !== undefined && foldName(owner) !== foldName(user.username)) return conflict("email taken");
  if (account !== undefined && account.auth_type !== user.auth_type) return conflict("source differs");
  const changes = changesOf(user, account);
  const changed = [...Object.keys(changes.fields), ...(changes.groups.length > 0 ? ["groups"] : [])];
  if (account !== undefined && changed.length === 0) return { verdict: { outcome: "unchanged" } };
  if (account !== undefined && rules.onConflict !== "update") return conflict("differs", changed);
  const missing = changes.groups.filter((name) => !known.groups.has(name));
  if (missing.length > 0 && !rules.createGroups)
    return { verdict: { outcome: "refused", reason: "no such group", detail: missing } };
  return account === undefined ? { do: "create" } : { do: "update", account, changes };
}

/** What would have to be written so that the account is as is said. */
function changesOf(user: ImportedUser, account: KnownAccount | undefined): Changes {
  if (account === undefined) return { fields: {}, groups: user.groups };
  const { password_hash, email, activated } = user;
  const isOtherHash =
    password_hash !== undefined &&
    (account.password_hash === null || !Buffer.from(account.password_hash).equals(password_hash));
  return {
    fields: {
      ...(isOtherHash ? { password_hash } : {}),
      ...(email === account.email ? {} : { email }),
      ...(activated === (account.activated === 1) ? {} : { activated }),
    },
    groups: user.groups.filter((name) => !account.groups.has(name)),
  };
}

/** In order, as everybody makes and locks groups. */
function missingGroups(users: readonly ImportedUser[], plans: readonly Plan[], known: Known): string[] {
  const names = plans.flatMap((plan, index) => {
    if ("verdict" in plan) return [];
    return plan.do === "create" ? (users[index]?.groups ?? []) : plan.changes.groups;
  });
  return [...new Set(names)].filter((name) => !known.groups.has(name)).sort();
}

async function update(
  trx: Trx,
  account: KnownAccount,
  { fields, groups }: Changes,
  { adminGroup }: ImportRules,
): Promise<ImportVerdict> {
  const refused = (reason: ImportRefusal["reason"]): ImportVerdict => ({
    outcome: "refused",
    reason,
    detail: [],
  });
  if (Object.keys(fields).length > 0) {
    const outcome = await changeUser(trx, account, fields, adminGroup);
    if (outcome === "no such user") return refused("differs"); // it was made anew at this moment
    if (outcome !== "changed") return refused(outcome);
  }
  for (const name of groups) await ensureMember(trx, name, account.username);
  return { outcome: "updated" };
}

/** Makes accounts by one statement; where the database takes one of them for another one's, each by its own. */
async function createAll(
  trx: Trx,
  users: readonly ImportedUser[],
  indices: readonly number[],
): Promise<ReadonlyMap<number, ImportVerdict>> {
  const rows = indices.flatMap((index) => {
    const user = users[index];
    return user === undefined ? [] : [{ index, user, row: toRow(user) }];
  });
  const verdicts = new Map<number, ImportVerdict>(indices.map((index) => [index, { outcome: "created" }]));
  if (rows.length === 0) return verdicts;
  try {
    await trx
      .insertInto("user")
      .values(rows.map(({ row }) => row))
      .execute();
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    for (const { index, row } of rows) {
      const reason = await createOne(trx, row);
      if (reason !== undefined) verdicts.set(index, { outcome: "refused", reason, detail: [] });
    }
  }
  const members = rows
    .filter(({ index }) => verdicts.get(index)?.outcome === "created")
    .flatMap(({ user: { username, groups } }) => groups.map((groupname) => ({ username, groupname })));
  for (let from = 0; from < members.length; from += MEMBERS)
    await trx
      .insertInto("usergroup")
      .values(members.slice(from, from + MEMBERS))
      .execute();
  return verdicts;
}

/** Memberships of one statement. */
const MEMBERS = 1000;

type NewRow = ReturnType<typeof toRow>;

async function createOne(trx: Trx, row: NewRow): Promise<"username taken" | "email taken" | undefined> {
  try {
    await trx.insertInto("user").values(row).execute();
    return undefined;
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    return (await isNameTaken(trx, row.username)) ? "username taken" : "email taken";
  }
}

function toRow({ username, email, auth_type, activated, password_hash, created_at }: ImportedUser) {
  const now = new Date();
  return {
    username,
    email,
    auth_type,
    activated: Number(activated),
    password_hash: password_hash ?? null,
    created_at: toSqlTime(created_at ?? now),
    modified_at: toSqlTime(now),
  };
}
