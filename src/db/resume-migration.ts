import { type Kysely, sql } from "kysely";
import { isExisting } from "./faults.ts";
import { isEmpty } from "./queries/tables.ts";
import type { SchemaState } from "./schema-state.ts";

/**
 * Runs the DDL statement of a migration that may have been interrupted. MySQL and MariaDB commit the statement before
 * the migration is recorded, and execute it completely or not at all.
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
    // Another migrating process may have used the table since it was inspected.
    if (!(await isEmpty(db, unrecorded))) throw error;
    await sql`drop table ${sql.table(unrecorded)}`.execute(db);
    await run();
  }
}
