import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import type { ImportVerdict } from "../../accounts/import-plan.ts";
import { messageOf } from "../../errors.ts";
import { ExitError } from "../exit.ts";
import type { FileFormat, FileRecord } from "./format.ts";

/** Maximum number of refused lines that are printed with their reasons. */
const MAX_SHOWN = 20;

/** The refused records. */
export interface Rejects extends Disposable {
  readonly count: number;
  add(record: FileRecord, reason: string): void;
  /** One line for each of the first records, and the number of the others. */
  describe(): string[];
}

/** Counts refused records, and writes them to `file`, if given; throws ExitError (2) if the file exists. */
export function createRejects(format: FileFormat, file: string | undefined): Rejects {
  if (file !== undefined && existsSync(file))
    throw new ExitError(2, `${file} already exists: name a new file for refused lines`);
  const shown: string[] = [];
  let count = 0;
  let descriptor: number | undefined;
  return {
    get count() {
      return count;
    },
    add(record, reason) {
      if (count++ < MAX_SHOWN) shown.push(`line ${record.number}: ${reason}`);
      if (file === undefined) return;
      const encoding = "encoding" in record ? record.encoding : undefined;
      const bytes = Buffer.from(format.refused(record, reason), encoding);
      try {
        // The file contains password hashes: only its owner may read it, and it must be new.
        descriptor ??= openSync(file, "wx", 0o600);
        writeSync(descriptor, bytes);
      } catch (error) {
        throw new ExitError(2, `cannot write ${file}: ${messageOf(error)}`);
      }
    },
    describe() {
      if (count <= MAX_SHOWN) return shown;
      const where = file === undefined ? "use --rejects FILE to get all of them" : `all are in ${file}`;
      return [...shown, `and ${count - MAX_SHOWN} more; ${where}`];
    },
    [Symbol.dispose]() {
      if (descriptor !== undefined) closeSync(descriptor);
    },
  };
}

/** Why a user was refused by the state of the database; undefined if it was accepted. */
export function reasonOf(verdict: ImportVerdict | undefined): string | undefined {
  if (verdict?.outcome !== "refused") return undefined;
  const names = verdict.detail.join(", ");
  switch (verdict.reason) {
    case "differs":
      return `the user already exists, but differs in ${names}: see --on-conflict`;
    case "source differs":
      return "the user already exists with a different auth_type, which import never changes";
    case "email taken":
      return "email belongs to another user";
    case "no such group":
      return `groups: there is no ${names}: use --create-groups to create missing groups`;
    case "administrator":
      return `the user is an administrator, but differs in ${names}: add --allow-admins to change that`;
    case "last admin":
      return "activated: the last administrator must stay activated";
  }
}
