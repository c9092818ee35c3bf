import type { Database, Trx } from "../db/database.ts";
import { inTransaction } from "../db/transaction.ts";
import { RequestCancelled } from "../errors.ts";
import type { Deadline } from "./deadline.ts";
import type { Incoming } from "./envelope.ts";

interface CommitParts<T> {
  readonly db: Database;
  readonly deadline: Deadline;
  /** Undefined for a request without a transport. */
  readonly incoming: Incoming | undefined;
  /** Records the reply in the same transaction. */
  readonly record: (trx: Trx, output: T) => Promise<void>;
}

/**
 * Returns the result of `work` after its commit. Rolls back and throws RequestCancelled if the request has expired or
 * went to another worker, and UNAVAILABLE after the deadline.
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
        end(false); // ends an attempt that another transaction blocked
        const output = await work(trx);
        await record(trx, output);
        // Check last: each earlier statement may have waited for a lock.
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
