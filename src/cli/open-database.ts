import type { DbConfig } from "../config/load.ts";
import { type Database, openDatabase } from "../db/database.ts";
import { usableSchema } from "../db/migrate.ts";
import { ExitError } from "./exit.ts";

/**
 * Opens the database, at the current schema or a later one that this version can use. Throws ExitError (1) when
 * migrations are pending, and ConfigError for any other schema.
 */
export async function openMigratedDatabase(config: DbConfig): Promise<Database> {
  const database = openDatabase(config);
  try {
    const { pending } = await usableSchema(database, config);
    if (pending.length === 0) return database;
    throw new ExitError(1, `migrations are pending (${pending.join(", ")}): run "authmq migrate" first`);
  } catch (error) {
    await database.destroy();
    throw error;
  }
}
