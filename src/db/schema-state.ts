import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { Db } from "./database.ts";
import { type TableColumns, tablesAfter } from "./expected-tables.ts";
import { MIGRATION_TABLE } from "./migration-table.ts";
import { MIGRATIONS } from "./migrations/index.ts";
import { isPyAuthMicro } from "./py-auth-micro.ts";
import { hasTable, isEmpty, isMigrating, readApplied, readTables } from "./queries/tables.ts";

/** Suffix of migrations that earlier versions cannot work with. The name is all that those versions see. */
const BREAKING = "-breaking";

/** The contents of a database, compared with what this version needs. */
export interface SchemaState {
  /** Applied migrations of this version, in order. */
  readonly applied: readonly string[];
  /** Pending migrations of this version, in order. */
  readonly pending: readonly string[];
  /** Applied migrations of a later version. */
  readonly newer: readonly string[];
  /** The newer ones that this version cannot work with. */
  readonly breaking: readonly string[];
  /** Whether a migration before the last applied one is missing: versions with different migrations were mixed. */
  readonly isMixed: boolean;
  /** Tables of another application with the names of authmq's tables. */
  readonly foreign: readonly string[];
  /** The application that the foreign tables belong to, if it is recognized. */
  readonly origin: "py_auth_micro" | "authmq" | undefined;
  /** Tables that a migration created and that no longer exist. */
  readonly missing: readonly string[];
  /** The table of a migration that was interrupted before it was recorded. */
  readonly unrecorded: string | undefined;
}

/** How long a server may take to replace a table that a migration rebuilds, in milliseconds. */
const TABLE_SWAP_TIME = 100;

/** Upper limit of re-reading while a migration runs, in milliseconds: a loaded server may need longer. */
const MAX_REREAD_TIME = 10_000;

/** Compares the tables of a database with those of this version. Read-only. */
export async function readSchemaState(db: Db): Promise<SchemaState> {
  // MariaDB does not list a table at the moment another process's migration replaces it. So an error counts only if two
  // reads agree while no migration runs.
  const end = performance.now() + MAX_REREAD_TIME;
  let state = await readOnce(db);
  while (state.foreign.length > 0 || state.missing.length > 0 || state.isMixed) {
    const first = state;
    await sleep(TABLE_SWAP_TIME);
    state = await readOnce(db);
    if (!isDeepStrictEqual(state, first)) continue;
    if (performance.now() >= end || !(await isMigrating(db))) break;
  }
  return state;
}

async function readOnce(db: Db): Promise<SchemaState> {
  // Another process may be migrating. Tables of migrations listed before the read must exist. Migrations listed after
  // it explain new tables, except that of a migration which still runs.
  const before = await listMigrations(db);
  const tables = await readTables(db);
  const listed = await listMigrations(db);
  const known = Object.keys(MIGRATIONS);
  const applied = known.filter((name) => listed.includes(name));
  const pending = known.filter((name) => !listed.includes(name));
  const newer = listed.filter((name) => !known.includes(name));
  // A later version may have changed these tables.
  const expected = tablesAfter(newer.length > 0 ? [] : known.filter((name) => before.includes(name)));
  const recorded = tablesAfter(applied);
  const planned = [...tablesAfter(known).keys()].filter((table) => !recorded.has(table) && tables.has(table));
  const isMixed =
    pending.length > 0 && (newer.length > 0 || applied.length !== known.indexOf(pending[0] ?? ""));
  const unrecorded = isMixed ? undefined : await findUnrecorded(db, { tables, applied, pending, planned });
  const foreign = [
    ...[...expected].filter(([table, columns]) => lacks(tables.get(table), columns)).map(([table]) => table),
    ...planned.filter((table) => table !== unrecorded),
  ].toSorted();
  return {
    applied,
    pending,
    newer,
    breaking: newer.filter((name) => name.endsWith(BREAKING)),
    isMixed,
    foreign,
    origin: foreign.length === 0 ? undefined : originOf(tables),
    missing: [...expected.keys()].filter((table) => !tables.has(table)),
    unrecorded,
  };
}

async function listMigrations(db: Db): Promise<string[]> {
  return (await hasTable(db, MIGRATION_TABLE)) ? readApplied(db) : [];
}

interface Found {
  readonly tables: TableColumns;
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  readonly planned: readonly string[];
}

/** An interrupted migration leaves a single empty table with the expected columns. */
async function findUnrecorded(
  db: Db,
  { tables, applied, pending, planned }: Found,
): Promise<string | undefined> {
  const [table, ...others] = planned;
  const [next] = pending;
  if (table === undefined || next === undefined || others.length > 0 || !tables.has(MIGRATION_TABLE))
    return undefined;
  const expected = tablesAfter([...applied, next]).get(table);
  const found = tables.get(table);
  const isExpected = expected !== undefined && found?.size === expected.size && !lacks(found, expected);
  return isExpected && (await isEmpty(db, table)) ? table : undefined;
}

function lacks(found: ReadonlySet<string> | undefined, expected: ReadonlySet<string>): boolean {
  return found !== undefined && [...expected].some((column) => !found.has(column));
}

/** Recognizes the application by tables and columns that only it has. */
function originOf(tables: TableColumns): SchemaState["origin"] {
  if (tables.has("rpc_inbox") && tables.get("usergroup")?.has("groupname") === true) return "authmq";
  return isPyAuthMicro(tables) ? "py_auth_micro" : undefined;
}
