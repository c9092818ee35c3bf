import { type Kysely, sql } from "kysely";
import { Migrator } from "kysely/migration";
import type { DbConfig } from "../config/load.ts";
import { AppError } from "../errors.ts";
import { type Database, dialectOf, openDatabase } from "./database.ts";
import { isOperatorFault } from "./faults.ts";
import { MIGRATION_TABLE } from "./migration-table.ts";
import { MIGRATIONS } from "./migrations/index.ts";
import type { Ddl } from "./migrations/migration.ts";
import { resumeMigration } from "./resume-migration.ts";
import { assertUsable, missingTables } from "./schema-fault.ts";
import { readSchemaState, type SchemaState } from "./schema-state.ts";
import { withRetry } from "./transaction.ts";

/** One migration: its name, and since when it is applied. */
export interface MigrationState {
  readonly name: string;
  readonly appliedAt: Date | undefined;
}

/** A migration waits for another process that migrates, and rebuilds tables: ten minutes, in milliseconds. */
const LOCK_TIMEOUT = 600_000;

/**
 * Brings the database to the current schema and names what it applied; safe from several processes at once. Throws
 * ConfigError, and writes nothing, where the database is another application's, or a later version's that this one
 * cannot work with.
 */
export async function migrate(config: DbConfig): Promise<string[]> {
  await using db = openDatabase(
    config.dialect === "mysql" ? { ...config, timeout_ms: LOCK_TIMEOUT } : config,
  );
  return await withRetry(async () => {
    const state = await readSchemaState(db);
    assertUsable(state, config);
    if (state.missing.length > 0) throw new Error(missingTables(state));
    // Nothing to do: so no right to create tables is needed, and Kysely does not meet what it does not know.
    if (state.pending.length === 0) return [];
    const { error, results } = await migratorOf(db, state).migrateToLatest();
    if (error !== undefined)
      throw error instanceof Error ? error : new Error("the migration failed", { cause: error });
    return (results ?? []).map(({ migrationName }) => migrationName);
  }, LOCK_TIMEOUT);
}

/** Every migration in order, with the time of those that are applied. */
export async function migrationStates(db: Database): Promise<MigrationState[]> {
  const migrations = await migratorOf(db).getMigrations();
  return migrations.map(({ name, executedAt }) => ({ name, appliedAt: executedAt }));
}

/**
 * The state of a database that this version may use, once its pending migrations are applied. Throws ConfigError where it
 * may not, and the driver's own error when the database refuses user or rights.
 */
export async function usableSchema(db: Database, config: DbConfig): Promise<SchemaState> {
  const state = await readSchemaState(db).catch((error: unknown) => {
    // A request that meets this is answered 503; at the start nobody waits for what does not go away by itself.
    throw error instanceof AppError && isOperatorFault(error) ? error.cause : error;
  });
  assertUsable(state, config);
  return state;
}

/** The statements that make the schema from nothing, for reading and for review. */
export function schemaSql(dialect: "mysql" | "sqlite"): string {
  return Object.entries(MIGRATIONS)
    .map(([name, ddl]) => `-- ${name}\n${textsOf(ddl[dialect]).join(";\n")};\n`)
    .join("\n");
}

function textsOf(statements: Ddl["mysql" | "sqlite"]): readonly string[] {
  if (typeof statements === "string") return [statements];
  return statements.map((step) => (typeof step === "string" ? step : step.run));
}

function migratorOf(db: Database, state?: SchemaState): Migrator {
  const dialect = dialectOf(db);
  return new Migrator({
    db,
    migrationTableName: MIGRATION_TABLE,
    migrationLockTableName: "authmq_migration_lock",
    provider: {
      getMigrations: async () =>
        Object.fromEntries(
          Object.entries(MIGRATIONS).map(([name, ddl]) => [
            name,
            {
              up: (kysely) => {
                if (dialect === "sqlite") return applyTogether(kysely, ddl.sqlite);
                // Of several, the first one alone may have been interrupted before.
                const before = name === state?.pending[0] ? state : undefined;
                return applySteps(kysely, ddl.mysql, before);
              },
            },
          ]),
        ),
    },
  });
}

/** Runs the steps that were not done by an earlier run; what they lock is free on return. */
async function applySteps(
  db: Kysely<unknown>,
  steps: Ddl["mysql"],
  before: SchemaState | undefined,
): Promise<void> {
  if (typeof steps === "string") {
    const run = () => sql.raw(steps).execute(db);
    await (before === undefined ? run() : resumeMigration(db, before, run));
    return;
  }
  try {
    for (const { unless, run } of steps) {
      const isDone = unless !== undefined && (await sql.raw(unless).execute(db)).rows.length > 0;
      if (!isDone) await sql.raw(run).execute(db);
    }
  } catch (error) {
    await sql
      .raw("unlock tables")
      .execute(db)
      .catch(() => undefined); // the connection may be lost: then they are free
    throw error;
  }
}

/** Runs all statements or none: the transaction that holds the file's lock commits what earlier migrations did. */
async function applyTogether(db: Kysely<unknown>, statements: Ddl["sqlite"]): Promise<void> {
  await sql`savepoint migration`.execute(db);
  try {
    for (const text of textsOf(statements)) await sql.raw(text).execute(db);
    await sql`release migration`.execute(db);
  } catch (error) {
    await sql`rollback to migration`.execute(db);
    await sql`release migration`.execute(db);
    throw error;
  }
}
