import type { Database } from "../../db/database.ts";
import type { FirstLines } from "./first-lines.ts";
import { foldName } from "../../db/names.ts";
import type { ImportedUser, ImportRules } from "../../accounts/import-plan.ts";
import { importBatch } from "../../accounts/import.ts";
import { ExitError } from "../exit.ts";
import type { Entry } from "./format.ts";
import type { ReadRecord } from "./record.ts";
import { reasonOf, type Refusals } from "./refusals.ts";

/** What became of the lines so far, refused ones aside. */
export interface Tally {
  /** The last line that is done with. */
  readonly line: number;
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly skipped: number;
  /** Of those created: local ones that nobody can log in to yet. */
  readonly withoutPassword: number;
  readonly madeGroups: number;
}

/** Takes users in, some lines at a time. */
export interface Batches {
  readonly tally: Tally;
  /** Takes in what some lines say, by one transaction, and keeps what is refused; `last` is the last line of them. */
  take(entries: readonly Entry[], last: number): Promise<void>;
}

interface Parts {
  readonly database: Database;
  readonly rules: ImportRules;
  readonly read: ReadRecord;
  readonly firstLines: FirstLines;
  readonly refusals: Refusals;
  readonly isDryRun: boolean;
  /** Whether the first refused line ends it, and nothing of its batch is written. */
  readonly isStrict: boolean;
}

interface Refused {
  readonly entry: Entry;
  readonly reason: string;
}

/** Batches into a database. */
export function createBatches(parts: Parts): Batches {
  const { database, rules, refusals, isDryRun, isStrict } = parts;
  const counts = { created: 0, updated: 0, unchanged: 0, skipped: 0 };
  const groups = new Set<string>();
  let line = 0;
  let withoutPassword = 0;
  return {
    get tally() {
      return { ...counts, line, withoutPassword, madeGroups: groups.size };
    },
    async take(entries, last) {
      const { users, refused } = sort(entries, parts);
      const isKept = (more: number): boolean => !isDryRun && !(isStrict && refused.length + more > 0);
      const { verdicts, madeGroups } = await importBatch(
        database,
        users.map(({ user }) => user),
        rules,
        (all) => isKept(all.verdicts.filter(({ outcome }) => outcome === "refused").length),
      );
      const outcomes = users.map(({ entry, user }, index) => ({ entry, user, verdict: verdicts[index] }));
      for (const { entry, verdict } of outcomes)
        if (verdict?.outcome === "refused") refused.push({ entry, reason: reasonOf(verdict) });
      refused.sort((a, b) => a.entry.number - b.entry.number);
      for (const { entry, reason } of refused) refusals.add(entry, reason);
      const [first] = refused;
      if (isStrict && first !== undefined)
        throw new ExitError(1, `line ${first.entry.number} is refused, and no line after line ${line} is in`);
      for (const { user, verdict } of outcomes) {
        if (verdict === undefined || verdict.outcome === "refused") continue;
        counts[verdict.outcome]++;
        if (verdict.outcome === "created" && isWithoutPassword(user)) withoutPassword++;
      }
      for (const name of madeGroups) groups.add(name);
      line = last;
    },
  };
}

function isWithoutPassword({ auth_type = "LOCAL", password_hash }: ImportedUser): boolean {
  return auth_type === "LOCAL" && password_hash === undefined;
}

/** What can be tried, and what need not be. */
function sort(
  entries: readonly Entry[],
  { read, firstLines }: Parts,
): { users: { entry: Entry; user: ImportedUser }[]; refused: Refused[] } {
  const users: { entry: Entry; user: ImportedUser }[] = [];
  const refused: Refused[] = [];
  for (const entry of entries) {
    const user = "fault" in entry ? entry.fault : read(entry.value);
    if (typeof user === "string") {
      refused.push({ entry, reason: user });
      continue;
    }
    const reason = repeatedIn(user, entry.number, firstLines);
    if (reason === undefined) users.push({ entry, user });
    else refused.push({ entry, reason });
  }
  return { users, refused };
}

/** What of a user stood on an earlier line. */
function repeatedIn(
  { username, email }: ImportedUser,
  line: number,
  firstLines: FirstLines,
): string | undefined {
  const name = firstLines.note(`username ${foldName(username)}`, line);
  if (name !== undefined) return `username is that of line ${name}`;
  const address = firstLines.note(`email ${foldName(email)}`, line);
  return address === undefined ? undefined : `email is that of line ${address}`;
}
