import { setImmediate } from "node:timers/promises";
import { loadConfig } from "../../config/load.ts";
import { createFirstLines } from "./first-lines.ts";
import type { ImportRules } from "../../accounts/import-plan.ts";
import { messageOf } from "../../errors.ts";
import { ExitError } from "../exit.ts";
import { openMigratedDatabase } from "../open-database.ts";
import { findConfig } from "../options.ts";
import { type Batches, createBatches } from "./batches.ts";
import { csvFormat } from "./csv.ts";
import { type FormatName, formatOf, type LineFormat } from "./format.ts";
import { awaitInterrupt, EXIT_INTERRUPTED } from "./interrupt.ts";
import { jsonlFormat } from "./jsonl.ts";
import { readLines } from "./lines.ts";
import { createProgress } from "./progress.ts";
import { recordReader } from "./record.ts";
import { createRefusals, type Refusals } from "./refusals.ts";
import { GivenUp, openSource } from "./source.ts";

/** How users are taken in. */
export interface ImportOptions {
  readonly config?: string;
  readonly format?: FormatName;
  readonly dryRun?: true;
  readonly onConflict: ImportRules["onConflict"];
  readonly createGroups?: true;
  readonly allowAdmins?: true;
  readonly strict?: true;
  readonly rejects?: string;
}

/** Users of one transaction: whoever waits for its locks does not wait for long. */
const BATCH = 500;

/** Takes the users of a file in; ends the command with 1 where some were refused, and 130 where it was interrupted. */
export async function importUsersOf(file: string, options: ImportOptions): Promise<void> {
  const format = formatOf(file, options.format) === "csv" ? csvFormat() : jsonlFormat();
  const { app, db } = loadConfig(findConfig(options.config), { keys: false });
  const source = openSource(file);
  using refusals = createRefusals(format, options.rejects);
  using firstLines = createFirstLines();
  await using database = await openMigratedDatabase(db);
  const isDryRun = options.dryRun === true;
  const allowAdmins = options.allowAdmins === true;
  const batches = createBatches({
    database,
    refusals,
    firstLines,
    read: recordReader(app, { allowAdmins }),
    rules: {
      onConflict: options.onConflict,
      createGroups: options.createGroups === true,
      adminGroup: app.admin_group,
      allowAdmins,
    },
    isDryRun,
    isStrict: options.strict === true,
  });
  const end = await readAll(source, format, batches, refusals);
  for (const line of [...refusals.describe(), ...notesOn(batches)]) process.stderr.write(`${line}\n`);
  process.stdout.write(
    `${summaryOf(batches, refusals)}${isDryRun ? " (dry run: nothing is written)" : ""}\n`,
  );
  if (end !== undefined) throw end;
  if (refusals.count > 0)
    throw new ExitError(1, refusals.count === 1 ? "a line was refused" : "some lines were refused");
}

/** Reads to the end; gives what ended it before. */
async function readAll(
  source: ReturnType<typeof openSource>,
  format: LineFormat,
  batches: Batches,
  refusals: Refusals,
): Promise<Error | undefined> {
  using interrupt = awaitInterrupt(() => source.giveUp());
  using progress = createProgress(source.size);
  const goOn = (): string =>
    `after line ${batches.tally.line}: what is in stays, so run the same command again to go on`;
  try {
    for await (const lines of readLines(source.chunks(), BATCH)) {
      await batches.take(format.read(lines), lines.at(-1)?.number ?? 0);
      progress.update(source.position, batches.tally.line, refusals.count);
      // SQLite's statements end at once: between them no signal and no timer would have a turn.
      await setImmediate();
      if (interrupt.happened) throw new GivenUp();
    }
    format.end();
    return undefined;
  } catch (error) {
    if (error instanceof GivenUp) return new ExitError(EXIT_INTERRUPTED, `interrupted ${goOn()}`);
    if (error instanceof ExitError) return error;
    return new ExitError(1, `stopped ${goOn()} (${messageOf(error)})`, { cause: error });
  }
}

function summaryOf({ tally }: Batches, refusals: Refusals): string {
  const { created, updated, unchanged, skipped } = tally;
  const parts = { created, updated, unchanged, skipped, refused: refusals.count };
  return Object.entries(parts)
    .map(([what, count]) => `${count} ${what}`)
    .join(", ");
}

function notesOn({ tally: { withoutPassword, madeGroups } }: Batches): string[] {
  const notes = [];
  if (madeGroups > 0) notes.push(`groups that were made: ${madeGroups}`);
  if (withoutPassword > 0)
    notes.push(`accounts without a password: ${withoutPassword}; an administrator sets one with user_change`);
  return notes;
}
