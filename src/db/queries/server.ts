import { type RawBuilder, sql } from "kysely";
import { type Db, dialectOf } from "../database.ts";
import { fromSqlTime } from "../time.ts";

/** What a database server says of itself. */
export interface ServerFacts {
  readonly product: "MySQL" | "MariaDB" | "SQLite";
  readonly version: string;
  /** How far its clock is ahead of this host's, in milliseconds; undefined where it has none of its own. */
  readonly ahead: number | undefined;
}

/** Asks the database which one it is, and what time it has. */
export async function readServerFacts(db: Db): Promise<ServerFacts> {
  if (dialectOf(db) === "sqlite") {
    const { version } = await one(db, sql<{ version: string }>`select sqlite_version() as version`);
    return { product: "SQLite", version, ahead: undefined };
  }
  // The first statement waits for the connection, the second one alone tells the time.
  const { version } = await one(db, sql<{ version: string }>`select version() as version`);
  const before = Date.now();
  const { now } = await one(db, sql<{ now: string }>`select utc_timestamp(3) as now`);
  const ahead = fromSqlTime(now).getTime() - (before + Date.now()) / 2;
  const product = version.includes("MariaDB") ? "MariaDB" : "MySQL";
  return { product, version: version.replace(/-.*/, ""), ahead };
}

/** Reads at most one row; rejects when the database cannot be used. */
export async function ping(db: Db): Promise<void> {
  await db.selectFrom("user").select("username").limit(1).execute();
}

async function one<T>(db: Db, statement: RawBuilder<T>): Promise<T> {
  const { rows } = await statement.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error("the database answers nothing");
  return row;
}
