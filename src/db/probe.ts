import { type RawBuilder, sql } from "kysely";
import type { DbConfig } from "../config/load.ts";
import { type Database, openDatabase } from "./database.ts";
import { type MigrationState, migrationStates } from "./migrate.ts";
import { hasAdmin } from "./queries/admins.ts";
import { fromSqlTime } from "./time.ts";

/** What a database says of itself and of what is in it. */
export interface DatabaseFacts {
  readonly product: "MySQL" | "MariaDB" | "SQLite";
  readonly version: string;
  /** How far its clock is ahead of this host's, in milliseconds; undefined where it has none of its own. */
  readonly ahead: number | undefined;
  readonly migrations: readonly MigrationState[];
  /** Whether somebody can log in as an administrator; undefined as long as migrations are pending. */
  readonly hasAdmin: boolean | undefined;
}

/** Looks at the database and changes nothing in it; rejects as its driver does. */
export async function probeDatabase(config: DbConfig, adminGroup: string): Promise<DatabaseFacts> {
  const db = openDatabase(config);
  try {
    const server = config.dialect === "sqlite" ? await askSqlite(db) : await askServer(db);
    const migrations = await migrationStates(db);
    const current = migrations.every(({ appliedAt }) => appliedAt !== undefined);
    return { ...server, migrations, hasAdmin: current ? await hasAdmin(db, adminGroup) : undefined };
  } finally {
    await db.destroy().catch(() => undefined); // where that fails, so did a statement, and its error tells more
  }
}

type ServerFacts = Pick<DatabaseFacts, "product" | "version" | "ahead">;

async function askSqlite(db: Database): Promise<ServerFacts> {
  const { version } = await one(db, sql<{ version: string }>`select sqlite_version() as version`);
  return { product: "SQLite", version, ahead: undefined };
}

async function askServer(db: Database): Promise<ServerFacts> {
  // The first statement waits for the connection, the second one alone tells the time.
  const { version } = await one(db, sql<{ version: string }>`select version() as version`);
  const before = Date.now();
  const { now } = await one(db, sql<{ now: string }>`select utc_timestamp(3) as now`);
  const ahead = fromSqlTime(now).getTime() - (before + Date.now()) / 2;
  const product = version.includes("MariaDB") ? "MariaDB" : "MySQL";
  return { product, version: version.replace(/-.*/, ""), ahead };
}

async function one<T>(db: Database, statement: RawBuilder<T>): Promise<T> {
  const { rows } = await statement.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error("the database answers nothing");
  return row;
}
