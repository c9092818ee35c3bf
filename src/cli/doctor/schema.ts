import type { DbConfig } from "../../config/load.ts";
import { refusalOf } from "../../db/schema-fault.ts";
import type { SchemaState } from "../../db/schema-state.ts";
import { type Finding, findingsOn } from "./finding.ts";

const on = findingsOn("database");

/** Advice on pending migrations. */
export const MIGRATE = 'Run "authmq migrate".';

/** Checks that the database has the tables that this version needs. */
export function schemaFindings(schema: SchemaState, config: DbConfig): Finding[] {
  const { pending, newer, missing, applied } = schema;
  const refusal = refusalOf(schema, config);
  if (refusal !== undefined) return [on.fail(refusal.what, refusal.advice)];
  if (missing.length > 0)
    return [
      on.fail(
        `tables of authmq are missing: ${missing.join(", ")}`,
        "Check db_settings, and restore the database completely.",
      ),
    ];
  if (pending.length > 0) return [on.fail(`migrations are pending: ${pending.join(", ")}`, MIGRATE)];
  if (newer.length === 0) return [on.ok(`all ${applied.length} migrations are applied`)];
  return [
    on.warn(
      `a later version has migrated the database (${newer.join(", ")}), and this one can use it`,
      "Return to the later version when the problem that you had with it is solved.",
    ),
  ];
}
