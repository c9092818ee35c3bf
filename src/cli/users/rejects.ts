import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import type { ImportVerdict } from "../../accounts/import-plan.ts";
import { messageOf } from "../../errors.ts";
import { ExitError } from "../exit.ts";
import type { FileFormat, FileRecord } from "./format.ts";

/** So many rejects are named with their reason. */
const NAMED = 20;

/** The records that were refused. */
export interface Rejects extends Disposable {
  readonly count: number;
  add(record: FileRecord, reason: string): void;
  /** One line for each of the first ones, and how many more there are. */
  describe(): string[];
}

/** Counts rejects, and writes them to a new file if one is named; ends the command with 2 if it exists. */
export function createRejects(format: FileFormat, file: string | undefined): Rejects {
  if (file !== undefined && existsSync(file))
    throw new ExitError(2, `${file} is there already: name a new file for refused lines`);
  const named: string[] = [];
  let count = 0;
  let descriptor: number | undefined;
  return {
    get count() {
      return count;
    },
    add(record, reason) {
      if (count++ < NAMED) named.push(`line ${record.number}: ${reason}`);
      if (file === undefined) return;
      const encoding = "encoding" in record ? record.encoding : undefined;
      const bytes = Buffer.from(format.refused(record, reason), encoding);
      try {
        // There are hashes in it, and it is nobody else's file.
        descriptor ??= openSync(file, "wx", 0o600);
        writeSync(descriptor, bytes);
      } catch (error) {
        throw new ExitError(2, `cannot write ${file}: ${messageOf(error)}`);
      }
    },
    describe() {
      if (count <= NAMED) return named;
      const where = file === undefined ? "--rejects FILE keeps them all" : `all are in ${file}`;
      return [...named, `and ${count - NAMED} more; ${where}`];
    },
    [Symbol.dispose]() {
      if (descriptor !== undefined) closeSync(descriptor);
    },
  };
}

/** Why the database refuses a user; undefined if it does not. */
export function reasonOf(verdict: ImportVerdict | undefined): string | undefined {
  if (verdict?.outcome !== "refused") return undefined;
  const names = verdict.detail.join(", ");
  switch (verdict.reason) {
    case "differs":
      return `the user is there already, with another ${names}: see --on-conflict`;
    case "source differs":
      return "the user is there already, with another auth_type, which stays as it is";
    case "email taken":
      return "email is another user's";
    case "no such group":
      return `groups: there is no ${names}: make such groups with --create-groups`;
    case "administrator":
      return `the user is an administrator, with another ${names}: allow that with --allow-admins`;
    case "last admin":
      return "activated: the last administrator stays activated";
  }
}
