import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import type { ImportRefusal } from "../../accounts/import-plan.ts";
import { messageOf } from "../../errors.ts";
import { ExitError } from "../exit.ts";
import type { Entry, LineFormat } from "./format.ts";

/** So many lines are named with their reason. */
const NAMED = 20;

/** The lines that were refused. */
export interface Refusals extends Disposable {
  readonly count: number;
  add(entry: Entry, reason: string): void;
  /** One line for each of the first ones, and how many more there are. */
  describe(): string[];
}

/** Keeps refusals, and writes the lines to a new file where one is named; ends the command with 2 where it is there. */
export function createRefusals(format: LineFormat, file: string | undefined): Refusals {
  if (file !== undefined && existsSync(file))
    throw new ExitError(2, `${file} is there already: name a new file for refused lines`);
  const named: string[] = [];
  let count = 0;
  let descriptor: number | undefined;
  const write = (path: string, bytes: Buffer): void => {
    try {
      // There are hashes in it, and it is nobody else's file.
      descriptor ??= openSync(path, "wx", 0o600);
      writeSync(descriptor, bytes);
    } catch (error) {
      throw new ExitError(2, `cannot write ${path}: ${messageOf(error)}`);
    }
  };
  return {
    get count() {
      return count;
    },
    add(entry, reason) {
      count++;
      if (named.length < NAMED) named.push(`line ${entry.number}: ${reason}`);
      const encoding = "encoding" in entry ? entry.encoding : undefined;
      if (file !== undefined) write(file, Buffer.from(format.refused(entry, reason), encoding ?? "utf8"));
    },
    describe() {
      const more = count - named.length;
      if (more === 0) return named;
      const where = file === undefined ? "--rejects FILE keeps them all" : `all are in ${file}`;
      return [...named, `and ${more} more; ${where}`];
    },
    [Symbol.dispose]() {
      if (descriptor !== undefined) closeSync(descriptor);
    },
  };
}

/** What the database has against a user. */
export function reasonOf({ reason, detail }: ImportRefusal): string {
  switch (reason) {
    case "differs":
      return `the user is there already, with another ${detail.join(", ")}: see --on-conflict`;
    case "source differs":
      return "the user is there already, with another auth_type, which stays as it is";
    case "email taken":
      return "email is another user's";
    case "no such group":
      return `groups: there is no ${detail.join(", ")}: make such groups with --create-groups`;
    case "administrator":
      return `the user is an administrator, with another ${detail.join(", ")}: allow that with --allow-admins`;
    case "last admin":
      return "activated: the last administrator stays activated";
  }
}
