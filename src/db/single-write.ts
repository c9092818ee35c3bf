import type { MysqlQueryResult } from "kysely";
import { AppError } from "../errors.ts";
import type { ServerConnection } from "./connection.ts";

const WRITE = /^\s*(?:insert|update|delete|replace)\b/i;

/** How long a rollback may take, in milliseconds, before the connection is closed instead. */
const ROLLBACK_TIMEOUT = 1000;

/** Whether a statement writes rows. */
export function isWrite(sql: string): boolean {
  return WRITE.test(sql);
}

/**
 * Runs a write in a transaction of its own, which is committed only before the deadline. The server commits a statement
 * without a transaction by itself: also one that the worker no longer waits for, if its cancellation comes too late.
 */
export async function runSingleWrite(
  connection: ServerConnection,
  sql: string,
  parameters: readonly unknown[],
  deadline: number,
): Promise<MysqlQueryResult> {
  await connection.run("begin", [], deadline);
  try {
    const result = await connection.run(sql, parameters, deadline);
    if (performance.now() >= deadline)
      throw new AppError("UNAVAILABLE", "database: the answer came too late");
    await connection.run("commit", [], deadline);
    return result;
  } catch (error) {
    // After a refused statement the transaction is still open.
    if (connection.isUsable)
      await connection
        .run("rollback", [], performance.now() + ROLLBACK_TIMEOUT)
        .catch(() => connection.destroy());
    throw error;
  }
}
