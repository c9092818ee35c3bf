import { extname } from "node:path";
import { Option } from "commander";
import { ExitError } from "../exit.ts";
import type { Line } from "./lines.ts";

/** How users are written down. */
export type FormatName = "csv" | "jsonl";

/** What a line says: fields by their names, or why it says nothing. */
export type FileRecord =
  | { readonly number: number; readonly text: string; readonly value: Readonly<Record<string, unknown>> }
  | {
      readonly number: number;
      readonly text: string;
      readonly fault: string;
      /** How the text is written to a file of rejects: latin1 gives back the bytes of a line that is not UTF-8. */
      readonly encoding?: "latin1";
    };

/** A format that reads lines, and writes rejects so that it can read them again. */
export interface FileFormat {
  /** The records of some lines, in order; throws ExitError if the file as a whole is not of this format. */
  read(lines: readonly Line[]): FileRecord[];
  /** Throws ExitError if a file of this format cannot end here. */
  end(): void;
  /** The line of a rejected record, with the reason in a field of its own. */
  refused(record: FileRecord, reason: string): string;
}

/** The fields of a user, in the order of an exported file. */
export const FIELDS = [
  "username",
  "email",
  "auth_type",
  "activated",
  "groups",
  "created_at",
  "email_verified_at",
  "password_hash",
] as const;

/** The field of a rejected record that holds the reason; import ignores it. */
export const REFUSED = "refused";

/** `--format`. */
export function formatOption(description: string): Option {
  return new Option("--format <format>", description).choices(["csv", "jsonl"]);
}

/** The given format, or the one that the file's name ends with; otherwise ends the command with 2. */
export function formatOf(file: string, given: FormatName | undefined): FormatName {
  if (given !== undefined) return given;
  const end = extname(file).toLowerCase();
  if (end === ".csv") return "csv";
  if (end === ".jsonl" || end === ".ndjson") return "jsonl";
  throw new ExitError(
    2,
    `${file} has neither .csv nor .jsonl at its end: say --format csv or --format jsonl`,
  );
}

/** The record of a line that cannot be read. */
export function unreadable({ number, fault, bytes = "" }: Extract<Line, { fault: string }>): FileRecord {
  return { number, text: bytes, fault, encoding: "latin1" };
}
