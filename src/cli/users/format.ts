import { extname } from "node:path";
import { Option } from "commander";
import { ExitError } from "../exit.ts";
import type { Line } from "./lines.ts";

/** A file format of users. */
export type FormatName = "csv" | "jsonl";

/** A parsed line: its fields by name, or why it cannot be parsed. */
export type FileRecord =
  | { readonly number: number; readonly text: string; readonly value: Readonly<Record<string, unknown>> }
  | {
      readonly number: number;
      readonly text: string;
      readonly error: string;
      /** Encoding of the text in the rejects file: latin1 restores the bytes of a line that is not UTF-8. */
      readonly encoding?: "latin1";
    };

/** Reads lines, and writes refused ones in a form that it can read again. */
export interface FileFormat {
  /** Parses lines, in order; throws ExitError if the file does not have this format. */
  read(lines: readonly Line[]): FileRecord[];
  /** Throws ExitError if the file is incomplete. */
  end(): void;
  /** The line of a refused record, with the reason in the field `refused`. */
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

/** The field with the reason in a refused record; import ignores it. */
export const REFUSED = "refused";

/** `--format`. */
export function formatOption(description: string): Option {
  return new Option("--format <format>", description).choices(["csv", "jsonl"]);
}

/** The given format, or the format by the extension of the file name; else throws ExitError (2). */
export function formatOf(file: string, given: FormatName | undefined): FormatName {
  if (given !== undefined) return given;
  const end = extname(file).toLowerCase();
  if (end === ".csv") return "csv";
  if (end === ".jsonl" || end === ".ndjson") return "jsonl";
  throw new ExitError(2, `${file} ends with neither .csv nor .jsonl: add --format csv or --format jsonl`);
}

/** The record of a line that cannot be read. */
export function unreadable({ number, error, bytes = "" }: Extract<Line, { error: string }>): FileRecord {
  return { number, text: bytes, error, encoding: "latin1" };
}
