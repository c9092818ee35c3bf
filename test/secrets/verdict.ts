import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { formsOf, SHORTEST } from "./forms.ts";
import { NAMES, type SecretNote, SECRETS, WRITTEN } from "./notes.ts";
import { type Find, Searcher } from "./searcher.ts";

const SOURCES = resolve(import.meta.dirname, "../../src");

/** A secret of fewer different characters is a filling that says nothing: a name may be a long row of the same letter. */
const FEWEST_CHARACTERS = 4;

/** More finds than this are not printed. */
const MOST_TOLD = 20;

/** Of a long line so much is told, around the secret. */
const AROUND = 200;

/** What the search for secrets in all that was written came to. */
export interface SecretVerdict {
  readonly ok: boolean;
  /** What to print: one line when nothing was found, else also each place; no secret is in it. */
  readonly lines: readonly string[];
}

interface LeftOut {
  short: number;
  name: number;
  word: number;
  plain: number;
}

/** Searches everything that the processes of a run noted as written for every secret that they noted. */
export function judgeSecret(notes: string): SecretVerdict {
  const secrets = read<SecretNote>(join(notes, SECRETS));
  const { searched, left } = choose(secrets, read<string>(join(notes, NAMES)));
  const searcher = new Searcher<SecretNote>();
  for (const note of searched) for (const form of formsOf(note.kind, note.value)) searcher.add(form, note);
  const folder = join(notes, WRITTEN);
  const files = existsSync(folder) ? readdirSync(folder) : [];
  let size = 0;
  const faults: string[] = [];
  for (const file of files) {
    const result = searcher.findInFile(join(folder, file));
    size += result.size;
    if (result.finds.length > 0) faults.push(...describe(searcher, folder, file, result.finds));
  }
  const count = (number: number): string => number.toLocaleString("en-GB");
  const outcome = faults.length === 0 ? "none found" : `${count(faults.length)} FOUND`;
  const sum = left.short + left.name + left.word + left.plain;
  const reasons =
    `${count(left.short)} short, ${count(left.name)} that are names, ` +
    `${count(left.word)} that are words of the program, ${count(left.plain)} of the same few letters`;
  return {
    ok: faults.length === 0,
    lines: [
      ...faults.slice(0, MOST_TOLD),
      `secrets: ${count(size)} bytes searched for ${count(searched.length)} secrets, ${outcome} ` +
        `(${count(sum)} left out: ${reasons})`,
    ],
  };
}

/** Without what stands elsewhere by right: then finding it would say nothing. */
function choose(
  secrets: readonly SecretNote[],
  names: readonly string[],
): { searched: SecretNote[]; left: LeftOut } {
  const allNames = names.join("\n").toLowerCase();
  const program = globSync("**/*.ts", { cwd: SOURCES }).map((file) =>
    readFileSync(join(SOURCES, file), "utf8"),
  );
  const words = program.join("\n");
  const left: LeftOut = { short: 0, name: 0, word: 0, plain: 0 };
  const unique = new Map(secrets.map((note) => [`${note.kind} ${note.value}`, note]));
  const searched = [...unique.values()].filter(({ value }) => {
    const reason = whyNot(value, allNames, words);
    if (reason !== undefined) left[reason]++;
    return reason === undefined;
  });
  return { searched, left };
}

function whyNot(value: string, allNames: string, words: string): keyof LeftOut | undefined {
  if (value.length < SHORTEST) return "short";
  if (new Set(value).size < FEWEST_CHARACTERS) return "plain";
  if (allNames.includes(value.toLowerCase())) return "name";
  return words.includes(value) ? "word" : undefined;
}

/** The places, with every secret on the line covered. */
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
    return `secrets: a ${secret.kind} (seen by ${secret.seenBy}) stands in ${file}, line ${line}: ${cover(searcher, around)}`;
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
