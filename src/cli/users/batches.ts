import type { ImportedUser, ImportRules } from "../../accounts/import-plan.ts";
import { importBatch } from "../../accounts/import.ts";
import type { Database } from "../../db/database.ts";
import { ExitError } from "../exit.ts";
import type { DuplicateIndex } from "./duplicate-index.ts";
import type { FileRecord } from "./format.ts";
import type { ReadRecord } from "./record.ts";
import { reasonOf, type Rejects } from "./rejects.ts";

/** What became of the lines so far, rejects aside. */
export interface Tally {
  /** The last line that is done with. */
  line: number;
  created: number;
  updated: number;
  unchanged: number;
  skipped: number;
  /** Of those created: local ones that nobody can log in to yet. */
  withoutPassword: number;
  readonly createdGroups: Set<string>;
}

/** Imports records, a batch of lines at a time. */
export interface Batches {
  readonly tally: Readonly<Tally>;
  /** Imports records in one transaction and keeps those that are refused as rejects; `last` is the batch's last line. */
  take(records: readonly FileRecord[], last: number): Promise<void>;
}

interface Parts {
  readonly database: Database;
  readonly rules: ImportRules;
  readonly read: ReadRecord;
  readonly duplicates: DuplicateIndex;
  readonly rejects: Rejects;
  readonly isDryRun: boolean;
  /** Whether the first reject ends the import, and nothing of its batch is written. */
  readonly isStrict: boolean;
}

/** Batches into a database. */
export function createBatches(parts: Parts): Batches {
  const { database, rules, read, duplicates, rejects, isDryRun, isStrict } = parts;
  const createdGroups = new Set<string>();
  const tally = {
    line: 0,
    created: 0,
    updated: 0,
    unchanged: 0,
    skipped: 0,
    withoutPassword: 0,
    createdGroups,
  };
  // The user of a record, or why it is refused without asking the database.
  const check = (record: FileRecord): ImportedUser | string => {
    const user = "fault" in record ? record.fault : read(record.value);
    return typeof user === "string" ? user : (duplicates.add(user, record.number) ?? user);
  };
  return {
    tally,
    async take(records, last) {
      const checked = records.map((record) => ({ record, user: check(record) }));
      const users = checked.map(({ user }) => user).filter((user) => typeof user !== "string");
      const { verdicts, groups } = await importBatch(database, users, rules, ({ verdicts: all }) => {
        const accepted = [...all.values()].filter(({ outcome }) => outcome !== "refused");
        return !isDryRun && (!isStrict || accepted.length === records.length);
      });
      const refused = checked.flatMap(({ record, user }) => {
        const reason = typeof user === "string" ? user : reasonOf(verdicts.get(user));
        return reason === undefined ? [] : [{ record, reason }];
      });
      for (const { record, reason } of refused) rejects.add(record, reason);
      const [first] = refused;
      if (isStrict && first !== undefined)
        throw new ExitError(
          1,
          `line ${first.record.number} is refused, and no line after line ${tally.line} is in`,
        );
      for (const [user, { outcome }] of verdicts) {
        if (outcome === "refused") continue;
        tally[outcome]++;
        if (outcome === "created" && isWithoutPassword(user)) tally.withoutPassword++;
      }
      for (const name of groups) createdGroups.add(name);
      tally.line = last;
    },
  };
}

function isWithoutPassword({ auth_type = "LOCAL", password_hash }: ImportedUser): boolean {
  return auth_type === "LOCAL" && password_hash === undefined;
}
