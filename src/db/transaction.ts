import { setTimeout as sleep } from "node:timers/promises";
import type { Transaction } from "kysely";
import { AppError } from "../errors.ts";
import type { Database } from "./database.ts";
import { isContention } from "./faults.ts";
import type { Tables } from "./tables.ts";

const ATTEMPTS = 6;

/**
 * Runs `work` in one transaction and repeats it when another transaction was in the way (deadlock, lock wait, busy
 * file), so `work` has no effect outside the database. Throws UNAVAILABLE when it still is after six attempts.
 */
export async function inTransaction<T>(
  db: Database,
  work: (trx: Transaction<Tables>) => Promise<T>,
): Promise<T> {
  return repeated(() => db.transaction().execute(work));
}

/** Runs one statement again when another transaction was in the way; throws UNAVAILABLE after six attempts. */
export async function repeated<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isContention(error)) throw error;
      if (attempt === ATTEMPTS) throw new AppError("UNAVAILABLE", "database: busy", { cause: error });
      await sleep(Math.random() * 10 * 2 ** attempt);
    }
  }
}
