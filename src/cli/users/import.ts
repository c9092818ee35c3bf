import { setImmediate } from "node:timers/promises";
import type { ImportRules } from "../../accounts/import-plan.ts";
import { loadConfig } from "../../config/load.ts";
import { messageOf } from "../../errors.ts";
import { ExitError } from "../exit.ts";
import { openMigratedDatabase } from "../open-database.ts";
import { findConfig } from "../options.ts";
import { type Batches, createBatches } from "./batches.ts";
import { csvFormat } from "./csv.ts";
import { createDuplicateIndex } from "./duplicate-index.ts";
import { type FileFormat, type FormatName, formatOf } from "./format.ts";
import { openInput, sizeOf } from "./input.ts";
import { awaitInterrupt, EXIT_INTERRUPTED } from "./interrupt.ts";
import { jsonlFormat } from "./jsonl.ts";
import { readLines } from "./lines.ts";
import { createProgress } from "./progress.ts";
import { recordReader } from "./record.ts";
import { createRejects, type Rejects } from "./rejects.ts";

/** Options of an import. */
export interface ImportOptions {
  readonly config?: string;
  readonly format?: FormatName;
  readonly dryRun?: boolean;
  readonly onConflict: ImportRules["onConflict"];
  readonly createGroups?: boolean;
  readonly allowAdmins?: boolean;
  readonly strict?: boolean;
  readonly rejects?: string;
}

/** Lines of one transaction: workers wait only briefly for its locks. */
const BATCH = 500;

/** Imports the users of a file; throws ExitError with 1 if lines were refused, and with 130 if interrupted. */
export async function importUsersOf(file: string, options: ImportOptions): Promise<void> {
  const format = formatOf(file, options.format) === "csv" ? csvFormat() : jsonlFormat();
  const { app, db } = loadConfig(findConfig(options.config), { keys: false });
  const size = sizeOf(file);
  using rejects = createRejects(format, options.rejects);
  using duplicates = createDuplicateIndex();
  await using database = await openMigratedDatabase(db);
  const { onConflict, createGroups = false, allowAdmins = false } = options;
  const { dryRun: isDryRun = false, strict: isStrict = false } = options;
  const read = recordReader(app, { allowAdmins });
  const rules = { onConflict, createGroups, allowAdmins, adminGroup: app.admin_group };
  const batches = createBatches({ database, rules, read, duplicates, rejects, isDryRun, isStrict });
  const failure = await readAll({ file, size, format, batches, rejects });
  const { createdGroups, withoutPassword, created, updated, unchanged, skipped } = batches.tally;
  const notes = rejects.describe();
  if (createdGroups.size > 0) notes.push(`groups created: ${createdGroups.size}`);
  if (withoutPassword > 0)
    notes.push(
      `accounts without a password: ${withoutPassword}; an administrator can set one with user_change`,
    );
  for (const note of notes) process.stderr.write(`${note}\n`);
  process.stdout.write(
    `${created} created, ${updated} updated, ${unchanged} unchanged, ${skipped} skipped, ${rejects.count} refused` +
      `${isDryRun ? " (dry run: nothing is written)" : ""}\n`,
  );
  if (failure !== undefined) throw failure;
  if (rejects.count > 0)
    throw new ExitError(
      1,
      rejects.count === 1 ? "1 line was refused" : `${rejects.count} lines were refused`,
    );
}

interface Parts {
  readonly file: string;
  readonly size: number | undefined;
  readonly format: FileFormat;
  readonly batches: Batches;
  readonly rejects: Rejects;
}

/** Reads the file to its end; returns the error if it stopped before. */
async function readAll({ file, size, format, batches, rejects }: Parts): Promise<Error | undefined> {
  const { tally } = batches;
  using interrupt = awaitInterrupt();
  using progress = createProgress(size);
  const input = openInput(file, interrupt.signal);
  try {
    for await (const lines of readLines(input, BATCH)) {
      await batches.take(format.read(lines), lines.at(-1)?.number ?? 0);
      progress.update(input.bytesRead, tally.line, rejects.count);
      // SQLite statements are synchronous: let the event loop handle signals and timers.
      await setImmediate();
      interrupt.signal.throwIfAborted();
    }
    format.end();
    return undefined;
  } catch (error) {
    if (error instanceof ExitError) return error;
    const advice = `after line ${tally.line}: imported users stay; run the same command again to continue`;
    if (error instanceof Error && error.name === "AbortError")
      return new ExitError(EXIT_INTERRUPTED, `interrupted ${advice}`);
    return new ExitError(1, `stopped ${advice} (${messageOf(error)})`, { cause: error });
  }
}
