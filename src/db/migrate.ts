import { type Kysely, sql } from "kysely";
import { Migrator } from "kysely/migration";
import type { DbConfig } from "../config/load.ts";
import { AppError } from "../errors.ts";
import { type Database, dialectOf, openDatabase } from "./database.ts";
import { needsOperator } from "./faults.ts";
import { MIGRATION_TABLE } from "./migration-table.ts";
import { MIGRATIONS } from "./migrations/index.ts";
import type { Ddl } from "./migrations/migration.ts";
import { resumeMigration } from "./resume-migration.ts";
import { assertUsable, missingTables } from "./schema-fault.ts";
import { readSchemaState, type SchemaState } from "./schema-state.ts";
import { withRetry } from "./transaction.ts";

/** A migration, and when it was applied; undefined if it is pending. */
export interface MigrationState {
  readonly name: string;
  readonly appliedAt: Date | undefined;
}

/** Timeout of a migration, in milliseconds: it may wait for another process, and it rebuilds tables. */
const MIGRATION_TIMEOUT = 600_000;

/** The names of the migrations that were applied now, and of those that a later version has applied. */
interface Migrated {
  readonly applied: readonly string[];
  readonly newer: readonly string[];
}

/**
 * Applies the pending migrations; several processes may call it at once. Throws ConfigError, and writes nothing, if the
 * database belongs to another application, or to a later version that this one cannot work with.
 */
export async function migrate(config: DbConfig): Promise<Migrated> {
  await using db = openDatabase(
    config.dialect === "mysql" ? { ...config, timeout_ms: MIGRATION_TIMEOUT } : config,
  );
  return await withRetry(async () => {
    const state = await readSchemaState(db);
    assertUsable(state, config);
    if (state.missing.length > 0) throw new Error(missingTables(state));
    // Return early: migrating needs the privilege to create tables, and Kysely rejects migrations that it does not
    // know.
    const { newer } = state;
    if (state.pending.length === 0) return { applied: [], newer };
    const { error, results } = await migratorOf(db, state).migrateToLatest();
    if (error !== undefined)
      throw error instanceof Error ? error : new Error("the migration failed", { cause: error });
    return { applied: (results ?? []).map(({ migrationName }) => migrationName), newer };
  }, MIGRATION_TIMEOUT);
}

/** All migrations in order, with the time at which each was applied. */
export async function migrationStates(db: Database): Promise<MigrationState[]> {
  const migrations = await migratorOf(db).getMigrations();
  return migrations.map(({ name, executedAt }) => ({ name, appliedAt: executedAt }));
}

/**
 * The schema state of a database that this version can use once its pending migrations are applied. Throws ConfigError
 * if it cannot, and the driver's error if the database rejects the user or its privileges.
 */
export async function usableSchema(db: Database, config: DbConfig): Promise<SchemaState> {
  const state = await readSchemaState(db).catch((error: unknown) => {
    // At start, fail at once on an error that needs an operator. A request with the same error is answered 503.
    throw error instanceof AppError && needsOperator(error) ? error.cause : error;
  });
  assertUsable(state, config);
  return state;
}

/** The SQL that creates the schema, for reading and review. */
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
                // Only the first pending migration may have been interrupted.
                const before = name === state?.pending[0] ? state : undefined;
                return applySteps(kysely, ddl.mysql, before);
              },
            },
          ]),
        ),
    },
  });
}

/** Runs the steps that an earlier run did not complete, and releases their locks. */
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
      .catch(() => undefined); // a lost connection has released its locks
    throw error;
  }
}

/**
 * Runs all statements or none. A savepoint: the transaction that holds the file lock also commits earlier migrations.
 */
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
