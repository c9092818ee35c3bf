import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { formsOf, SHORTEST } from "./forms.ts";
import { NAMES, type SecretNote, SECRETS, WRITTEN } from "./notes.ts";
import { type Find, Searcher } from "./searcher.ts";

const SOURCES = resolve(import.meta.dirname, "../../src");

/** Secrets with fewer different characters are not searched: they are filler, like a long name of one letter. */
const FEWEST_CHARACTERS = 4;

/** Maximum number of matches that are printed. */
const MAX_PRINTED = 20;

/** Number of bytes around a secret that are printed. */
const AROUND = 200;

/** The result of a search for secrets. */
export interface SecretReport {
  readonly ok: boolean;
  /** Lines to print: a summary, preceded by each match; they contain no secret. */
  readonly lines: readonly string[];
}

interface Excluded {
  short: number;
  name: number;
  word: number;
  plain: number;
}

/** Searches all recorded output of a run for all recorded secrets. */
export function searchSecrets(notes: string): SecretReport {
  const secrets = read<SecretNote>(join(notes, SECRETS));
  const { searched, left } = choose(secrets, read<string>(join(notes, NAMES)));
  const searcher = new Searcher<SecretNote>();
  for (const note of searched) for (const form of formsOf(note.kind, note.value)) searcher.add(form, note);
  const folder = join(notes, WRITTEN);
  const files = existsSync(folder) ? readdirSync(folder) : [];
  let size = 0;
  const matches: string[] = [];
  for (const file of files) {
    const result = searcher.findInFile(join(folder, file));
    size += result.size;
    if (result.finds.length > 0) matches.push(...describe(searcher, folder, file, result.finds));
  }
  const count = (number: number): string => number.toLocaleString("en-GB");
  const summary = matches.length === 0 ? "none found" : `${count(matches.length)} FOUND`;
  const sum = left.short + left.name + left.word + left.plain;
  const reasons =
    `${count(left.short)} short, ${count(left.name)} names, ` +
    `${count(left.word)} words of the program, ${count(left.plain)} with few different characters`;
  return {
    ok: matches.length === 0,
    lines: [
      ...matches.slice(0, MAX_PRINTED),
      `secrets: ${count(size)} bytes searched for ${count(searched.length)} secrets, ${summary} ` +
        `(${count(sum)} not searched: ${reasons})`,
    ],
  };
}

/** Selects the secrets whose occurrence in the output would be a leak. */
function choose(
  secrets: readonly SecretNote[],
  names: readonly string[],
): { searched: SecretNote[]; left: Excluded } {
  const allNames = names.join("\n").toLowerCase();
  const program = globSync("**/*.ts", { cwd: SOURCES }).map((file) =>
    readFileSync(join(SOURCES, file), "utf8"),
  );
  const words = program.join("\n");
  const left: Excluded = { short: 0, name: 0, word: 0, plain: 0 };
  const unique = new Map(secrets.map((note) => [`${note.kind} ${note.value}`, note]));
  const searched = [...unique.values()].filter(({ value }) => {
    const reason = exclusionReason(value, allNames, words);
    if (reason !== undefined) left[reason]++;
    return reason === undefined;
  });
  return { searched, left };
}

function exclusionReason(value: string, allNames: string, words: string): keyof Excluded | undefined {
  if (value.length < SHORTEST) return "short";
  if (new Set(value).size < FEWEST_CHARACTERS) return "plain";
  if (allNames.includes(value.toLowerCase())) return "name";
  return words.includes(value) ? "word" : undefined;
}

/** Describes the matches, with every secret on the line masked. */
function describe(
  searcher: Searcher<SecretNote>,
  folder: string,
  file: string,
  finds: readonly Find<SecretNote>[],
): string[] {
  const bytes = readFileSync(join(folder, file));
  return finds.map(({ secret, from, to }) => {
    const line = bytes.subarray(0, from).reduce((sum, byte) => sum + Number(byte === 0x0a), 1);
    const start = Math.max(bytes.lastIndexOf(0x0a, from - 1) + 1, from - AROUND);
    const end = bytes.indexOf(0x0a, to);
    const around = bytes.subarray(start, Math.min(end === -1 ? bytes.length : end, to + AROUND));
    return `secrets: a ${secret.kind} (seen by ${secret.seenBy}) is in ${file}, line ${line}: ${cover(searcher, around)}`;
  });
}

function cover(searcher: Searcher<SecretNote>, bytes: Buffer): string {
  const covered = Buffer.from(bytes);
  for (const { from, to } of searcher.find(bytes)) covered.fill("*", from, to);
  return JSON.stringify(covered.toString());
}

function read<T>(file: string): T[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as T);
}
