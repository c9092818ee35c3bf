import type { Database, Trx } from "../db/database.ts";
import { inTransaction } from "../db/transaction.ts";
import { RequestCancelled } from "../errors.ts";
import type { Deadline } from "./deadline.ts";
import type { Incoming } from "./envelope.ts";

interface CommitParts<T> {
  readonly db: Database;
  readonly deadline: Deadline;
  /** Undefined for a request that came over no transport. */
  readonly incoming: Incoming | undefined;
  /** Writes down, in the same transaction, what is answered. */
  readonly record: (trx: Trx, output: T) => Promise<void>;
}

/**
 * The result of `work`, once it is committed. It is not, and Abandoned is thrown, when the request has expired by then
 * or went to another worker; nor after the deadline (UNAVAILABLE).
 */
export async function commit<T>(
  { db, deadline, incoming, record }: CommitParts<T>,
  work: (trx: Trx) => Promise<T>,
): Promise<T> {
  let isCommitting = false;
  const end = (isDone: boolean): void => {
    if (isCommitting) deadline.endCommit(isDone);
    isCommitting = false;
  };
  try {
    const result = await inTransaction(
      db,
      async (trx) => {
        end(false); // of an attempt that another transaction was in the way of
        const output = await work(trx);
        await record(trx, output);
        // Last of all: each statement before may have waited for a lock.
        if (incoming !== undefined && (incoming.hasExpired() || !(await incoming.isHeld())))
          throw new RequestCancelled();
        deadline.beginCommit();
        isCommitting = true;
        return output;
      },
      deadline.left,
    );
    end(true);
    return result;
  } finally {
    end(false);
  }
}
