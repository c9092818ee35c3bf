import { Kysely, type Transaction } from "kysely";
import type { DbConfig } from "../config/load.ts";
import type { Metrics } from "../observability/metrics.ts";
import { isContention } from "./faults.ts";
import { mysqlDialect } from "./mysql.ts";
import { retryingReads } from "./reads.ts";
import { sqliteDialect } from "./sqlite.ts";
import type { Tables } from "./tables.ts";

/** A transaction that has begun. */
export type Trx = Transaction<Tables>;

/** The database, or a transaction in it: most queries take either. */
export type Db = Kysely<Tables> | Trx;

/** The database or a transaction, without the methods that write. */
export type Reader = Pick<Database, "selectFrom" | "getExecutor">;

/** The database, which can begin transactions. `destroy()` closes it. */
export type Database = Kysely<Tables>;

/** Opens the configured database; it connects at the first statement. */
export function openDatabase(config: DbConfig, metrics?: Metrics): Database {
  const dialect = config.dialect === "sqlite" ? sqliteDialect(config) : mysqlDialect(config, metrics);
  return new Kysely<Tables>({ dialect: retryingReads(dialect) });
}

/** Closes a database that may be in use: running statements fail. */
export async function closeDatabase(db: Database): Promise<void> {
  try {
    await db.destroy();
  } catch (error) {
    // Another process holds the SQLite file, so that it was never opened.
    if (!isContention(error)) throw error;
  }
}

/** The SQL dialect of the database, for the few statements that differ. */
export function dialectOf(db: Pick<Db, "getExecutor">): DbConfig["dialect"] {
  return db.getExecutor().adapter.supportsReturning ? "sqlite" : "mysql";
}
