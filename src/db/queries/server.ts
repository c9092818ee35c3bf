import { type RawBuilder, sql } from "kysely";
import { type Db, dialectOf } from "../database.ts";
import { fromSqlTime } from "../time.ts";

/** Product, version and clock of a database. */
export interface ServerFacts {
  readonly product: "MySQL" | "MariaDB" | "SQLite";
  readonly version: string;
  /** How far its clock is ahead of this host's, in milliseconds; undefined for SQLite, which has no clock. */
  readonly ahead: number | undefined;
}

/** Reads product, version and time of the database. */
export async function readServerFacts(db: Db): Promise<ServerFacts> {
  if (dialectOf(db) === "sqlite") {
    const { version } = await one(db, sql<{ version: string }>`select sqlite_version() as version`);
    return { product: "SQLite", version, ahead: undefined };
  }
  // Measure the time with the second statement: the first one also waits for a connection.
  const { version } = await one(db, sql<{ version: string }>`select version() as version`);
  const before = Date.now();
  const { now } = await one(db, sql<{ now: string }>`select utc_timestamp(3) as now`);
  const ahead = fromSqlTime(now).getTime() - (before + Date.now()) / 2;
  const product = version.includes("MariaDB") ? "MariaDB" : "MySQL";
  return { product, version: version.replace(/-.*/, ""), ahead };
}

/** Reads at most one row; rejects if the database cannot be used. */
export async function ping(db: Db): Promise<void> {
  await db.selectFrom("user").select("username").limit(1).execute();
}

async function one<T>(db: Db, statement: RawBuilder<T>): Promise<T> {
  const { rows } = await statement.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error("the database returned no row");
  return row;
}
