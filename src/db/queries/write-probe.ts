import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { type Database, dialectOf, type Trx } from "../database.ts";
import { toSqlTime } from "../time.ts";
import { inTransaction } from "../transaction.ts";

/** Number of rows, and bytes of each: two fit on an InnoDB page, so InnoDB must allocate new pages for the others. */
const ROWS = 4;
const BYTES = 7000;

/** SQLite's page cache during the probe: further pages are written to disk before the transaction ends. */
const CACHE_PAGES = 2;

/** Rolls back the probe's transaction; never leaves this file. */
class RolledBack extends Error {}

/**
 * Rejects if the database accepts no writes: it is read-only or full, or its user lacks INSERT, UPDATE or DELETE.
 * Everything is rolled back. It uses its own rows in the table `event`, to which every change writes, so it blocks no
 * other transaction.
 */
export async function probeWrites(db: Database): Promise<void> {
  const isSqlite = dialectOf(db) === "sqlite";
  const probe = async (trx: Trx): Promise<never> => {
    if (!isSqlite) return writeAndRollBack(trx);
    const { rows } = await sql<{ cache_size: number }>`pragma cache_size`.execute(trx);
    try {
      await sql.raw(`pragma cache_size = ${CACHE_PAGES}`).execute(trx);
      return await writeAndRollBack(trx);
    } finally {
      await sql.raw(`pragma cache_size = ${rows[0]?.cache_size ?? -2000}`).execute(trx);
    }
  };
  try {
    await inTransaction(db, probe);
  } catch (error) {
    if (!(error instanceof RolledBack)) throw error;
  }
}

async function writeAndRollBack(trx: Trx): Promise<never> {
  const now = toSqlTime(new Date());
  const data = JSON.stringify({ filler: "-".repeat(BYTES) });
  const ids = Array.from({ length: ROWS }, () => randomUUID());
  const row = {
    type: "login.failed",
    username: null,
    actor: null,
    created_at: now,
    published_at: now,
  } as const;
  const { insertId } = await trx
    .insertInto("event")
    .values(ids.map((id) => ({ ...row, id, data })))
    .executeTakeFirstOrThrow();
  // By primary key: through another index, the server would also lock the gaps beside these rows.
  const seq = Number(insertId);
  await trx.updateTable("event").set({ actor: "probe" }).where("seq", "=", seq).execute();
  await trx.deleteFrom("event").where("seq", "=", seq).execute();
  throw new RolledBack();
}
