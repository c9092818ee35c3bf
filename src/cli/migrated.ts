import type { DbConfig } from "../config/load.ts";
import { type Database, openDatabase } from "../db/database.ts";
import { pendingMigrations } from "../db/migrate.ts";
import { ExitError } from "./exit.ts";

/** The database, with the current schema; else ends the command with 1 and what to do. */
export async function openMigrated(config: DbConfig): Promise<Database> {
  const database = openDatabase(config);
  const pending = await pendingMigrations(database);
  if (pending.length === 0) return database;
  await database.destroy();
  throw new ExitError(1, `the database lacks ${pending.join(", ")}: run "authmq migrate" first`);
}
