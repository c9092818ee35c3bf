import { setImmediate } from "node:timers/promises";
import {
  importOldAccounts,
  importOldGroups,
  type OldAccount,
  type OldVerdict,
} from "../../accounts/import-old-rows.ts";
import { ConfigError } from "../../config/fault.ts";
import { loadConfig } from "../../config/load.ts";
import type { AppConfig } from "../../config/schema.ts";
import type { Database, Db } from "../../db/database.ts";
import { countAccounts, pageOfImported } from "../../db/queries/imported-rows.ts";
import {
  countOldRows,
  findOldUsers,
  listOldGroups,
  type MemberColumns,
  type OldUser,
  readOldMembers,
  readOldUsers,
} from "../../db/queries/py-auth-micro.ts";
import { messageOf } from "../../errors.ts";
import { ExitError } from "../exit.ts";
import { openMigratedDatabase } from "../open-database.ts";
import { findConfig } from "../options.ts";
import { createDuplicateIndex, type DuplicateIndex } from "../users/duplicate-index.ts";
import { awaitInterrupt, EXIT_INTERRUPTED } from "../users/interrupt.ts";
import { createProgress } from "../users/progress.ts";
import { describeRefusal, groupReader, oldUserReader } from "./old-user.ts";
import { createReport, describeTotals, type Report } from "./report.ts";
import { type OldServer, openOldDatabase, readOldDatabase, readOldServer } from "./source.ts";

/** Options of an import. */
export interface CopyOptions {
  readonly from: string;
  readonly config?: string;
  readonly dryRun?: boolean;
}

/** Users of one transaction: workers wait only briefly for its locks. */
const BATCH = 500;

/** Copies users, groups and memberships; throws ExitError with 1 if it stops, and with 130 if interrupted. */
export async function copyDatabase({ from, config, dryRun: isDryRun = false }: CopyOptions): Promise<void> {
  const { app, db } = loadConfig(findConfig(config), { keys: false });
  const server = readOldServer(from);
  if (db.dialect === "mysql" && isSame(db, server))
    throw new ConfigError([
      {
        path: "db_settings.database",
        msg: `is the database of py_auth_micro in ${from}; nothing was written. Create another database, and name it here`,
      },
    ]);
  await using here = await openMigratedDatabase(db);
  await using old = openOldDatabase(server);
  const report = createReport();
  const end = await readOldDatabase(old, server, (trx, columns) =>
    copyRows({ here, old: trx, columns, app, report, isDryRun }),
  ).finally(() => report.flush());
  process.stdout.write(describeTotals(report, end.old, await countAccounts(here), isDryRun));
  if (end.failure !== undefined) throw end.failure;
}

/** A database is the same under another name of its host, too: its tables then tell. */
function isSame(one: OldServer, other: OldServer): boolean {
  return one.host === other.host && one.port === other.port && one.database === other.database;
}

interface Parts {
  readonly here: Database;
  readonly old: Db;
  readonly columns: MemberColumns;
  readonly app: AppConfig;
  readonly report: Report;
  readonly isDryRun: boolean;
}

/** Copies until the end; returns the error if it stopped before, and the totals of the old database. */
async function copyRows(parts: Parts) {
  const { old, columns, report } = parts;
  const totals = await countOldRows(old, columns);
  using interrupt = awaitInterrupt();
  using duplicates = createDuplicateIndex(
    (field) => `another user of the old database has the same ${field}, apart from upper and lower case`,
  );
  using progress = createProgress(totals.users, { record: "user", refused: "skipped" });
  let done = 0;
  try {
    const groups = await copyGroups(parts);
    let last: string | undefined;
    do {
      const users: readonly OldUser[] = await readOldUsers(old, last, BATCH);
      await copyUsers(users, groups, duplicates, parts);
      done += users.length;
      progress.update(done, done, report.counts.users.skipped);
      // SQLite statements are synchronous: let the event loop handle signals and timers.
      await setImmediate();
      interrupt.signal.throwIfAborted();
      last = users.length < BATCH ? undefined : users.at(-1)?.username;
    } while (last !== undefined);
    await reportDeletedUsers(parts);
    return { old: totals, failure: undefined };
  } catch (error) {
    const advice = `after user ${done} of ${totals.users}: imported rows stay; run the same command again to continue`;
    const failure =
      error instanceof Error && error.name === "AbortError"
        ? new ExitError(EXIT_INTERRUPTED, `interrupted ${advice}`)
        : new ExitError(1, `stopped ${advice} (${messageOf(error)})`, { cause: error });
    return { old: totals, failure };
  }
}

/** The names here of the groups that users can be imported into, and why others are not here. */
interface Groups {
  readonly here: ReadonlyMap<string, string>;
  readonly reasons: ReadonlyMap<string, string>;
}

async function copyGroups({ here: db, old, app, report, isDryRun }: Parts): Promise<Groups> {
  const read = groupReader(app);
  const all = await listOldGroups(old);
  const names = new Map<string, string>();
  const reasons = new Map<string, string>();
  for (const name of all) {
    const result = read(name);
    if ("here" in result) names.set(name, result.here);
    else {
      report.skip("groups", name, `the name ${result.error}`);
      reasons.set(name, "the group was skipped");
    }
  }
  const done = await importOldGroups(db, { groups: names, all: new Set(all) }, { isDryRun });
  const { groups } = report.counts;
  groups.imported += done.created.length;
  groups.leftAlone += done.unchanged.length + done.deletedHere.length;
  for (const name of done.deletedThere) report.change("group", name, "deleted in the old database");
  for (const name of done.deletedHere) {
    names.delete(name);
    reasons.set(name, "the group was deleted here after its import");
  }
  return { here: names, reasons };
}

/** Imports a batch of users with their memberships. */
async function copyUsers(
  users: readonly OldUser[],
  groups: Groups,
  duplicates: DuplicateIndex,
  { here, old, columns, app, report, isDryRun }: Parts,
): Promise<void> {
  const members = await readOldMembers(
    old,
    columns,
    users.map(({ username }) => username),
  );
  const read = oldUserReader(app);
  const accounts = users.flatMap((row, index): OldAccount[] => {
    const names = members.get(row.username) ?? [];
    const own = names.map((name) => ({ name, here: groups.here.get(name) }));
    const user = read(
      row,
      own.flatMap((group) => group.here ?? []),
    );
    const reason = typeof user === "string" ? user : duplicates.add(user, index);
    if (typeof user !== "string" && reason === undefined) return [{ name: row.username, user, groups: own }];
    skipUser(report, row.username, reason ?? "", names);
    return [];
  });
  const verdicts = await importOldAccounts(here, accounts, { adminGroup: app.admin_group, isDryRun });
  for (const [account, verdict] of verdicts) tally(report, account, verdict, groups);
}

/** A membership of a skipped user is skipped, too. */
function skipUser(report: Report, name: string, reason: string, groups: readonly string[]): void {
  const more = groups.length === 0 ? "" : ` (with its memberships in ${groups.join(", ")})`;
  report.skip("users", name, `${reason}${more}`);
  report.counts.members.skipped += groups.length;
}

function tally(report: Report, { name, user, groups }: OldAccount, verdict: OldVerdict, known: Groups): void {
  const { users, members } = report.counts;
  if (verdict.outcome === "refused") {
    const names = groups.map((group) => group.name);
    skipUser(report, name, describeRefusal(verdict.refusal), names);
    return;
  }
  if (verdict.outcome === "created") {
    users.imported++;
    if (user.activated === false) report.inactive++;
    if (user.auth_type === "LOCAL" && user.password_hash === undefined) report.withoutPassword++;
  } else users.leftAlone++;
  const isGone = verdict.outcome === "known" && !verdict.isHere;
  const absent = isGone ? [] : groups.filter(({ here }) => here === undefined);
  for (const group of absent) report.skip("members", name, known.reasons.get(group.name) ?? "", group.name);
  members.imported += verdict.addedTo.length;
  members.leftAlone += groups.length - absent.length - verdict.addedTo.length;
  if (verdict.outcome !== "known" || !verdict.isHere) return;
  const changes = [
    ...(verdict.changed.length > 0 ? [`${verdict.changed.join(", ")} changed in the old database`] : []),
    ...(verdict.left.length > 0 ? [`no longer in ${verdict.left.join(", ")} in the old database`] : []),
  ];
  if (changes.length > 0) report.change("user", name, changes.join(", "));
}

/** Reports accounts here whose users were deleted in the old database after their import. */
async function reportDeletedUsers({ here, old, report }: Parts): Promise<void> {
  let last: string | undefined = "";
  while (last !== undefined) {
    const page: Awaited<ReturnType<typeof pageOfImported>> = await pageOfImported(here, last);
    const names = page.filter(({ username }) => username !== null).map(({ name }) => name);
    const existing = await findOldUsers(old, names);
    for (const name of names)
      if (!existing.has(name)) report.change("user", name, "deleted in the old database");
    last = page.at(-1)?.name;
  }
}
