import type { DbConfig } from "../config/load.ts";
import { type Database, openDatabase } from "../db/database.ts";
import { usableSchema } from "../db/migrate.ts";
import { ExitError } from "./exit.ts";

/**
 * The database, with the current schema or a later one that this version can use; else ends the command with 1, or with
 * ConfigError where migrations are not what it lacks.
 */
export async function openMigratedDatabase(config: DbConfig): Promise<Database> {
  const database = openDatabase(config);
  try {
    const { pending } = await usableSchema(database, config);
    if (pending.length === 0) return database;
    throw new ExitError(1, `the database lacks ${pending.join(", ")}: run "authmq migrate" first`);
  } catch (error) {
    await database.destroy();
    throw error;
  }
}
