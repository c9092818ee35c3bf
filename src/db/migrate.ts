import { sql } from "kysely";
import { Migrator } from "kysely/migration";
import type { DbConfig } from "../config/load.ts";
import { AppError } from "../errors.ts";
import { type Database, dialectOf, openDatabase } from "./database.ts";
import { isOperatorFault } from "./faults.ts";
import { MIGRATIONS } from "./migrations/index.ts";
import { repeated } from "./transaction.ts";

/** One migration: its name, and since when it is applied. */
export interface MigrationState {
  readonly name: string;
  readonly appliedAt: Date | undefined;
}

/** A migration waits for another process that migrates, and rebuilds tables: ten minutes, in milliseconds. */
const PATIENCE = 600_000;

/** Brings the database to the current schema and names what it applied; safe from several processes at once. */
export async function migrate(config: DbConfig): Promise<string[]> {
  await using db = openDatabase(config.dialect === "mysql" ? { ...config, timeout_ms: PATIENCE } : config);
  return await repeated(async () => {
    const { error, results } = await migratorOf(db).migrateToLatest();
    if (error !== undefined)
      throw error instanceof Error ? error : new Error("the migration failed", { cause: error });
    return (results ?? []).map(({ migrationName }) => migrationName);
  }, PATIENCE);
}

/** Every migration in order, with the time of those that are applied. */
export async function migrationStates(db: Database): Promise<MigrationState[]> {
  const migrations = await migratorOf(db).getMigrations();
  return migrations.map(({ name, executedAt }) => ({ name, appliedAt: executedAt }));
}

/** The migrations that the database still lacks; rejects with the driver's own error when it refuses user or rights. */
export async function pendingMigrations(db: Database): Promise<string[]> {
  const states = await migrationStates(db).catch((error: unknown) => {
    // A request that meets this is answered 503; at the start nobody waits for what does not go away by itself.
    throw error instanceof AppError && isOperatorFault(error) ? error.cause : error;
  });
  return states.filter(({ appliedAt }) => appliedAt === undefined).map(({ name }) => name);
}

/** The statements that make the schema from nothing, for reading and for review. */
export function schemaSql(dialect: "mysql" | "sqlite"): string {
  return Object.entries(MIGRATIONS)
    .map(([name, ddl]) => `-- ${name}\n${ddl[dialect]};\n`)
    .join("\n");
}

function migratorOf(db: Database): Migrator {
  const dialect = dialectOf(db);
  return new Migrator({
    db,
    migrationTableName: "authmq_migration",
    migrationLockTableName: "authmq_migration_lock",
    provider: {
      getMigrations: async () =>
        Object.fromEntries(
          Object.entries(MIGRATIONS).map(([name, ddl]) => [
            name,
            {
              up: async (kysely) => {
                await sql.raw(ddl[dialect]).execute(kysely);
              },
            },
          ]),
        ),
    },
  });
}
