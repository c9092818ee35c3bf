import { hash } from "node:crypto";
import type { Database } from "../db/database.ts";
import { foldName } from "../db/names.ts";
import { ensureGroup, ensureMember, listGroups, listGroupsOf } from "../db/queries/groups.ts";
import {
  type ImportedAccount,
  insertImported,
  readAccountRefs,
  readImportedAccounts,
  readImportedGroups,
} from "../db/queries/imported-rows.ts";
import { groupCreated, memberAdded } from "./events.ts";
import type { UserRef } from "../db/queries/users.ts";
import type { ImportedUser, ImportRefusal, ImportRules } from "./import-plan.ts";
import { importUsers, inImport } from "./import.ts";
import { record, type Writer } from "./writer.ts";

/** A user of another database. */
export interface OldAccount {
  /** The name in the other database. */
  readonly name: string;
  /** `user.groups` are those of its groups that exist here, by their names here. */
  readonly user: ImportedUser;
  /** All its groups in the other database: the name there, and here if the group exists here. */
  readonly groups: readonly { readonly name: string; readonly here: string | undefined }[];
}

/** What happened to a user of another database. */
export type OldVerdict =
  | { readonly outcome: "created" | "unchanged"; readonly addedTo: readonly string[] }
  | {
      /** An earlier run imported it. */
      readonly outcome: "known";
      /** Whether the account still exists here. */
      readonly isHere: boolean;
      /** Names of columns that changed in the other database since. */
      readonly changed: readonly string[];
      /** Groups that it left in the other database since, and is still in here. */
      readonly left: readonly string[];
      readonly addedTo: readonly string[];
    }
  | { readonly outcome: "refused"; readonly refusal: ImportRefusal };

/** What happened to the groups of another database, by their names there. */
export interface OldGroups {
  readonly created: readonly string[];
  /** Groups that exist here already. */
  readonly unchanged: readonly string[];
  /** Groups that an earlier run imported, and that were deleted here since. */
  readonly deletedHere: readonly string[];
  /** Groups that an earlier run imported, that were deleted in the other database since, and still exist here. */
  readonly deletedThere: readonly string[];
}

interface Options {
  readonly adminGroup: string;
  readonly isDryRun: boolean;
}

/** Columns of a user whose changes in the other database are reported. */
const COLUMNS = ["email", "password_hash", "auth_type", "activated"] as const;

/** Length of the digest of a column, in bytes. */
const PART = 8;

/**
 * Creates groups of another database; `groups` maps names there to names here, and `all` has every name there. A group
 * that an earlier run created, and that was deleted here since, is not created again.
 */
export function importOldGroups(
  db: Database,
  { groups, all }: { groups: ReadonlyMap<string, string>; all: ReadonlySet<string> },
  { isDryRun }: Pick<Options, "isDryRun">,
): Promise<OldGroups> {
  return inImport(
    db,
    async (writer) => {
      const known = await readImportedGroups(writer.trx);
      const here = new Set(await listGroups(writer.trx));
      const unknown = [...groups].filter(([name]) => !known.has(name));
      const created = unknown.filter(([, name]) => !here.has(name));
      const names = [...new Set(created.map(([, name]) => name))].sort();
      for (const name of names) await ensureGroup(writer.trx, name);
      await record(writer, ...names.map(groupCreated));
      await insertImported(
        writer.trx,
        unknown.map(([name]) => ({ kind: "group" as const, name, groupname: "" })),
      );
      const old = [...groups].filter(([name]) => known.has(name));
      return {
        created: created.map(([name]) => name),
        unchanged: [...groups].filter(([, name]) => here.has(name)).map(([name]) => name),
        deletedHere: old.filter(([, name]) => !here.has(name)).map(([name]) => name),
        deletedThere: [...known].filter((name) => !all.has(name) && here.has(name)),
      };
    },
    () => !isDryRun,
  );
}

/**
 * Imports users and memberships in one transaction. A later run imports only what the earlier ones did not: it changes
 * no account and restores nothing that was deleted here.
 */
export function importOldAccounts(
  db: Database,
  accounts: readonly OldAccount[],
  options: Options,
): Promise<ReadonlyMap<OldAccount, OldVerdict>> {
  return inImport(
    db,
    (writer) => importAccounts(writer, accounts, options),
    () => !options.isDryRun,
  );
}

async function importAccounts(
  writer: Writer,
  accounts: readonly OldAccount[],
  { adminGroup, isDryRun }: Options,
): Promise<ReadonlyMap<OldAccount, OldVerdict>> {
  // A dry run has rolled the groups back that it created before.
  const rules: ImportRules = { onConflict: "fail", createGroups: isDryRun, adminGroup, allowAdmins: true };
  const known = await readImportedAccounts(
    writer.trx,
    accounts.map(({ name }) => name),
  );
  const newcomers = accounts.filter(({ name }) => !known.has(name));
  const { verdicts } = await importUsers(
    writer,
    newcomers.map(({ user }) => user),
    rules,
  );
  const refs = await refsOf(writer, accounts);
  const results = new Map<OldAccount, OldVerdict>();
  for (const account of accounts) {
    const earlier = known.get(account.name);
    if (earlier !== undefined) {
      const ref = refs.get(foldName(account.user.username));
      results.set(account, await importAgain(writer, account, earlier, ref));
      continue;
    }
    const verdict = verdicts.get(account.user);
    if (verdict === undefined || verdict.outcome === "refused")
      results.set(account, { outcome: "refused", refusal: verdict ?? NOT_IMPORTED });
    else {
      const isNew = verdict.outcome === "created";
      const addedTo = isNew ? account.user.groups : [];
      results.set(account, { outcome: isNew ? "created" : "unchanged", addedTo });
    }
  }
  await note(
    writer,
    newcomers.filter((account) => results.get(account)?.outcome !== "refused"),
    refs,
  );
  return results;
}

/** Every user has a verdict; the compiler does not know that. */
const NOT_IMPORTED: ImportRefusal = { outcome: "refused", reason: "differs", detail: [] };

/** Adds the memberships that are new in the other database, to an account that an earlier run imported. */
async function importAgain(
  writer: Writer,
  { name, user, groups }: OldAccount,
  earlier: ImportedAccount,
  ref: UserRef | undefined,
): Promise<OldVerdict> {
  const changed = changedColumns(user, earlier.digest);
  // Another account of the same name is another person.
  if (ref?.created_at !== earlier.createdAt)
    return { outcome: "known", isHere: false, changed, left: [], addedTo: [] };
  const { username } = ref;
  const fresh = groups.filter((group) => group.here !== undefined && !earlier.groups.has(group.name));
  const addedTo = fresh.flatMap(({ here }) => here ?? []);
  for (const groupname of addedTo) await ensureMember(writer.trx, groupname, username);
  await record(writer, ...addedTo.map((groupname) => memberAdded(username, groupname)));
  await insertImported(
    writer.trx,
    fresh.map((group) => ({ kind: "member" as const, name, groupname: group.name })),
  );
  const current = new Set(groups.map((group) => group.name));
  const gone = [...earlier.groups].filter((group) => !current.has(group));
  const own = gone.length === 0 ? [] : await listGroupsOf(writer.trx, username);
  return {
    outcome: "known",
    isHere: true,
    changed,
    left: gone.filter((group) => own.includes(group)),
    addedTo,
  };
}

/** Notes what was imported, for the next run. */
async function note(
  { trx }: Writer,
  accounts: readonly OldAccount[],
  refs: ReadonlyMap<string, UserRef>,
): Promise<void> {
  await insertImported(
    trx,
    accounts.map(({ name, user }) => ({
      kind: "user" as const,
      name,
      groupname: "",
      digest: digestOf(user),
      account_created_at: refs.get(foldName(user.username))?.created_at ?? null,
    })),
  );
  await insertImported(
    trx,
    accounts.flatMap(({ name, groups }) =>
      groups
        .filter(({ here }) => here !== undefined)
        .map((group) => ({ kind: "member" as const, name, groupname: group.name })),
    ),
  );
}

/** The accounts here, by folded name. */
async function refsOf(
  { trx }: Writer,
  accounts: readonly OldAccount[],
): Promise<ReadonlyMap<string, UserRef>> {
  const refs = await readAccountRefs(
    trx,
    accounts.map(({ user }) => user.username),
  );
  return new Map(refs.map((ref) => [foldName(ref.username), ref]));
}

function digestOf(user: ImportedUser): Buffer {
  return Buffer.concat(
    COLUMNS.map((column) => {
      const value = user[column];
      const text = value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : String(value ?? "");
      return hash("sha256", `${column} ${text}`, "buffer").subarray(0, PART);
    }),
  );
}

function changedColumns(user: ImportedUser, digest: Uint8Array): string[] {
  const now = digestOf(user);
  return COLUMNS.filter((_, index) => {
    const [from, to] = [index * PART, (index + 1) * PART];
    return !now.subarray(from, to).equals(digest.subarray(from, to));
  });
}
