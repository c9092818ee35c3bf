import { setTimeout as sleep } from "node:timers/promises";
import type { Kysely, Transaction } from "kysely";
import { AppError } from "../errors.ts";
import { isContention } from "./faults.ts";
import type { Tables } from "./tables.ts";

/** So long a statement is tried again while others are in the way, unless more is given, in milliseconds. */
export const RETRY_LIMIT = 2000;

/**
 * Runs `work` in one transaction and repeats it when another transaction was in the way (deadlock, lock wait, busy
 * file), so `work` has no effect outside the database. Throws UNAVAILABLE when it still is after `limit` ms.
 */
export async function inTransaction<T>(
  db: Kysely<Tables>,
  work: (trx: Transaction<Tables>) => Promise<T>,
  limit = RETRY_LIMIT,
): Promise<T> {
  return withRetry(() => db.transaction().execute(work), limit);
}

/** Repeats `work` while another transaction is in the way; throws UNAVAILABLE when it still is after `limit` ms. */
export async function withRetry<T>(work: () => Promise<T>, limit = RETRY_LIMIT): Promise<T> {
  const end = Date.now() + limit;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isContention(error)) throw error;
      if (Date.now() >= end) throw new AppError("UNAVAILABLE", "database: busy", { cause: error });
      await sleep(Math.random() * Math.min(250, 5 * 2 ** attempt));
    }
  }
}
