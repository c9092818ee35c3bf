import { setTimeout as sleep } from "node:timers/promises";
import type { Kysely, Transaction } from "kysely";
import { AppError } from "../errors.ts";
import { isContention } from "./faults.ts";
import type { Tables } from "./tables.ts";

/** How long work is retried while other transactions block it, in milliseconds; the default. */
export const RETRY_LIMIT = 2000;

/**
 * Runs `work` in one transaction and retries it when another transaction blocks it (deadlock, lock wait, busy file). So
 * `work` must have no effect outside the database. Throws UNAVAILABLE if it is still blocked after `limit` ms.
 */
export async function inTransaction<T>(
  db: Kysely<Tables>,
  work: (trx: Transaction<Tables>) => Promise<T>,
  limit = RETRY_LIMIT,
): Promise<T> {
  return withRetry(() => db.transaction().execute(work), limit);
}

/** Retries `work` while another transaction blocks it. Throws UNAVAILABLE if it is still blocked after `limit` ms. */
export async function withRetry<T>(work: () => Promise<T>, limit = RETRY_LIMIT): Promise<T> {
  const end = Date.now() + limit;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isContention(error)) throw error;
      if (Date.now() >= end)
        // With the driver's error as its cause, a caller with a longer limit recognizes it and retries.
        throw new AppError("UNAVAILABLE", "database: busy: other transactions hold the locks", {
          cause: error instanceof AppError ? error.cause : error,
        });
      await sleep(Math.random() * Math.min(250, 5 * 2 ** attempt));
    }
  }
}
