import { ConfigError, type ConfigFault } from "../config/fault.ts";
import type { DbConfig } from "../config/load.ts";
import type { SchemaState } from "./schema-state.ts";

/** Throws ConfigError if this version must not use the configured database. */
export function assertUsable(state: SchemaState, config: DbConfig): void {
  const fault = schemaFault(state, config);
  if (fault !== undefined) throw new ConfigError([fault]);
}

/** The reason and the advice as a configuration error; undefined if this version may use the database. */
function schemaFault(state: SchemaState, config: DbConfig): ConfigFault | undefined {
  const path = config.dialect === "sqlite" ? "db_settings.file" : "db_settings.database";
  const { what, advice } = refusalOf(state, config) ?? {};
  return what === undefined ? undefined : { path, msg: `${what}; nothing was written. ${advice}` };
}

/** Why this version must not use the database, and what to do; undefined if it may. */
export function refusalOf(
  state: SchemaState,
  config: DbConfig,
): { readonly what: string; readonly advice: string } | undefined {
  const { breaking, isMixed, newer, pending, foreign } = state;
  const place = config.dialect === "sqlite" ? config.file : `the database ${config.database}`;
  if (breaking.length > 0)
    return {
      what: `${place} was migrated by a later version, and this version cannot work with ${breaking.join(", ")}`,
      advice: "Use the later version again, or restore the backup that was made before the upgrade.",
    };
  if (isMixed)
    return {
      what: `${place} was migrated by a version with other migrations: it lacks ${pending.join(", ")}${newer.length === 0 ? "" : ` and has ${newer.join(", ")}`}`,
      advice: "Use the version that migrated it.",
    };
  if (foreign.length === 0) return undefined;
  return { what: `${place} ${describeForeign(state)}`, advice: adviceOnForeign(state, config) };
}

/** The message that names the tables that a migrated database has lost. */
export function missingTables({ missing }: SchemaState): string {
  return `tables of authmq are missing: ${missing.join(", ")}. Check db_settings, or restore a backup of the database`;
}

function describeForeign({ foreign, origin }: SchemaState): string {
  const names = foreign.join(", ");
  if (origin === "authmq")
    return `has tables of authmq (${names}) that are not in its list of migrations, authmq_migration`;
  const what = foreign.length === 1 ? `a table ${names} that belongs` : `tables ${names} that belong`;
  return origin === "py_auth_micro"
    ? `has ${what} to py_auth_micro (by the names of tables and columns)`
    : `has ${what} to another application`;
}

function adviceOnForeign({ origin }: SchemaState, config: DbConfig): string {
  if (origin === "authmq") return "Restore the database completely from a backup.";
  const own =
    config.dialect === "sqlite"
      ? "Give authmq a file of its own: set db_settings.file to another path."
      : "Give authmq a database of its own: create one and set db_settings.database to its name.";
  return origin === "py_auth_micro" ? `${own} ${COPY}` : own;
}

/** How to get users out of a database of py_auth_micro. */
const COPY =
  'Then run "authmq migrate", and copy users and groups with ' +
  '"authmq import-py-auth-micro --from FILE", where FILE is the configuration of py_auth_micro (docs/moving.md).';
