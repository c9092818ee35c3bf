import { extname } from "node:path";
import { Option } from "commander";
import { ExitError } from "../exit.ts";
import type { Line } from "./lines.ts";

/** How users are written down. */
export type FormatName = "csv" | "jsonl";

/** What a line says: fields by their names, or why it says nothing. */
export type Entry =
  | { readonly number: number; readonly text: string; readonly value: Readonly<Record<string, unknown>> }
  | {
      readonly number: number;
      readonly text: string;
      readonly fault: string;
      /** How the text is written to a file of refused lines: latin1 gives back the bytes of a line that is not UTF-8. */
      readonly encoding?: "latin1";
    };

/** What a line that cannot be read says. */
export function unreadable({ number, fault, bytes }: Extract<Line, { fault: string }>): Entry {
  return bytes === undefined
    ? { number, text: "", fault }
    : { number, text: bytes, fault, encoding: "latin1" };
}

/** A way to read lines, and to write down those that were refused in the same form. */
export interface LineFormat {
  /** What some lines say, in order; throws ExitError where the file as a whole is none of this format. */
  read(lines: readonly Line[]): Entry[];
  /** Throws ExitError where a file of this format cannot end here. */
  end(): void;
  /** A refused line, with the reason in a field of its own, as lines of a file that can be read again. */
  refused(entry: Entry, reason: string): string;
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

/** The field that says why a line was refused; it is written, and not read. */
export const REFUSED = "refused";

/** `--format`. */
export function formatOption(description: string): Option {
  return new Option("--format <format>", description).choices(["csv", "jsonl"]);
}

/** The format of a file: the given one, or that of its name's end; else ends the command with 2. */
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
