import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { type Database, dialectOf, type Trx } from "../database.ts";
import { toSqlTime } from "../time.ts";
import { inTransaction } from "../transaction.ts";

/** Rows of the probe, and bytes of each: two fit on a page of InnoDB, so that it has to find new pages for the others. */
const ROWS = 4;
const BYTES = 7000;

/** Pages that SQLite keeps in memory during the probe: the others go to the disk before the transaction ends. */
const SPILL = 2;

/** Ends the transaction of the probe; never leaves this file. */
class Undone extends Error {}

/**
 * Rejects when the database takes no writes: it is read-only or full, or its user may not insert, update and delete.
 * Everything is rolled back. It writes to the table that every change writes to, in rows of its own, so it waits for
 * nobody and nobody waits for it.
 */
export async function probeWrites(db: Database): Promise<void> {
  const isSqlite = dialectOf(db) === "sqlite";
  const probe = async (trx: Trx): Promise<never> => {
    if (!isSqlite) return writeAndUndo(trx);
    const { rows } = await sql<{ cache_size: number }>`pragma cache_size`.execute(trx);
    try {
      await sql.raw(`pragma cache_size = ${SPILL}`).execute(trx);
      return await writeAndUndo(trx);
    } finally {
      await sql.raw(`pragma cache_size = ${rows[0]?.cache_size ?? -2000}`).execute(trx);
    }
  };
  try {
    await inTransaction(db, probe);
  } catch (error) {
    if (!(error instanceof Undone)) throw error;
  }
}

async function writeAndUndo(trx: Trx): Promise<never> {
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
  // By the primary key: through another index the server would lock the gaps beside these rows as well.
  const seq = Number(insertId);
  await trx.updateTable("event").set({ actor: "probe" }).where("seq", "=", seq).execute();
  await trx.deleteFrom("event").where("seq", "=", seq).execute();
  throw new Undone();
}
