import { type Kysely, sql } from "kysely";
import { isExisting } from "./faults.ts";
import { isEmpty } from "./queries/tables.ts";
import type { SchemaState } from "./schema-state.ts";

/**
 * Runs the one DDL statement of a migration that may have been interrupted before. MySQL and MariaDB commit the statement
 * before it can be written down, and execute it as a whole or not at all.
 */
export async function resumeMigration(
  db: Kysely<unknown>,
  { unrecorded }: SchemaState,
  run: () => Promise<unknown>,
): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!isExisting(error)) throw error;
    if (unrecorded === undefined) return;
    // Another process may have used it since it was looked at, if only one that migrates.
    if (!(await isEmpty(db, unrecorded))) throw error;
    await sql`drop table ${sql.table(unrecorded)}`.execute(db);
    await run();
  }
}
