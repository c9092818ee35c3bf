import type { ImportedUser, ImportRules } from "../../accounts/import-plan.ts";
import { importBatch } from "../../accounts/import.ts";
import type { Database } from "../../db/database.ts";
import { ExitError } from "../exit.ts";
import type { DuplicateIndex } from "./duplicate-index.ts";
import type { FileRecord } from "./format.ts";
import type { ReadRecord } from "./record.ts";
import { reasonOf, type Rejects } from "./rejects.ts";

/** Counts of the lines so far, without refused ones. */
export interface Tally {
  /** The last processed line. */
  line: number;
  created: number;
  updated: number;
  unchanged: number;
  skipped: number;
  /** Created local accounts without a password: no user can log in to them yet. */
  withoutPassword: number;
  readonly createdGroups: Set<string>;
}

/** Imports records in batches of lines. */
export interface Batches {
  readonly tally: Readonly<Tally>;
  /** Imports records in one transaction, and adds refused ones to the rejects; `last` is the batch's last line. */
  take(records: readonly FileRecord[], last: number): Promise<void>;
}

interface Parts {
  readonly database: Database;
  readonly rules: ImportRules;
  readonly read: ReadRecord;
  readonly duplicates: DuplicateIndex;
  readonly rejects: Rejects;
  readonly isDryRun: boolean;
  /** Whether the first refused line stops the import; its batch is then not written. */
  readonly isStrict: boolean;
}

/** Creates batches that import into a database. */
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
  // The user of a record, or why it is refused without a database query.
  const check = (record: FileRecord): ImportedUser | string => {
    const user = "error" in record ? record.error : read(record.value);
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
          `line ${first.record.number} is refused, and no line after line ${tally.line} was imported`,
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
