import { type Kysely, sql } from "kysely";
import { Migrator } from "kysely/migration";
import type { DbConfig } from "../config/load.ts";
import { AppError } from "../errors.ts";
import { type Database, dialectOf, openDatabase } from "./database.ts";
import { isOperatorFault } from "./faults.ts";
import { MIGRATIONS } from "./migrations/index.ts";
import type { Ddl } from "./migrations/migration.ts";
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
    .map(([name, ddl]) => `-- ${name}\n${textsOf(ddl[dialect]).join(";\n")};\n`)
    .join("\n");
}

function textsOf(statements: Ddl["mysql" | "sqlite"]): readonly string[] {
  if (typeof statements === "string") return [statements];
  return statements.map((step) => (typeof step === "string" ? step : step.run));
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
              up: (kysely) =>
                dialect === "mysql" ? applySteps(kysely, ddl.mysql) : applyTogether(kysely, ddl.sqlite),
            },
          ]),
        ),
    },
  });
}

/** Runs the steps that were not done by an earlier run; what they lock is free on return. */
async function applySteps(db: Kysely<unknown>, steps: Ddl["mysql"]): Promise<void> {
  if (typeof steps === "string") {
    await sql.raw(steps).execute(db);
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
