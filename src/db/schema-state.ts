import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { Db } from "./database.ts";
import { type TableColumns, tablesAfter } from "./expected-tables.ts";
import { MIGRATION_TABLE } from "./migration-table.ts";
import { MIGRATIONS } from "./migrations/index.ts";
import {
  hasTable,
  isEmpty,
  isMigrating,
  readApplied,
  readReferences,
  readTables,
  type Reference,
} from "./queries/tables.ts";

/** A migration whose name ends so cannot be used by the versions before it. Its name is all that they know of it. */
const BREAKING = "-breaking";

/** What a database holds, compared with what this version needs. */
export interface SchemaState {
  /** Migrations of this version that are applied, in their order. */
  readonly applied: readonly string[];
  /** Migrations of this version that are not applied, in their order. */
  readonly pending: readonly string[];
  /** Applied migrations of a later version. */
  readonly newer: readonly string[];
  /** Those of them that this version cannot work with. */
  readonly breaking: readonly string[];
  /** Whether migrations are missing before the last applied one: two versions with different migrations were mixed. */
  readonly isMixed: boolean;
  /** Tables of another application where authmq has its own, or would have to make them. */
  readonly foreign: readonly string[];
  /** Whose tables these are, as far as they show it. */
  readonly origin: "py_auth_micro" | "authmq" | undefined;
  /** Tables that were made, and do not exist any more. */
  readonly missing: readonly string[];
  /** A table that an interrupted migration made, and did not write down. */
  readonly unrecorded: string | undefined;
}

/** A server replaces a table that a migration rebuilds within so many milliseconds. */
const REPLACED_WITHIN = 100;

/** A loaded server may need longer: as long as a migration runs, but for so many milliseconds at most, it is waited for. */
const MIGRATED_WITHIN = 10_000;

/** Compares the tables of a database with those of this version; reads only. */
export async function readSchemaState(db: Db): Promise<SchemaState> {
  // MariaDB does not list a table at the moment at which another process's migration replaces it. So what looks wrong
  // counts once it looks the same twice while nobody migrates.
  const end = performance.now() + MIGRATED_WITHIN;
  let state = await readOnce(db);
  while (state.foreign.length > 0 || state.missing.length > 0 || state.isMixed) {
    const first = state;
    await sleep(REPLACED_WITHIN);
    state = await readOnce(db);
    if (!isDeepStrictEqual(state, first)) continue;
    if (performance.now() >= end || !(await isMigrating(db))) break;
  }
  return state;
}

async function readOnce(db: Db): Promise<SchemaState> {
  // Another process may be migrating. What is listed before the tables are read must be among them. What is listed
  // after that explains the tables that are not yet expected, all but the last one: its migration still runs.
  const before = await listMigrations(db);
  const tables = await readTables(db);
  const listed = await listMigrations(db);
  const known = Object.keys(MIGRATIONS);
  const applied = known.filter((name) => listed.includes(name));
  const pending = known.filter((name) => !listed.includes(name));
  const newer = listed.filter((name) => !known.includes(name));
  // A later version may have changed its own tables.
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
    origin: foreign.length === 0 ? undefined : originOf(tables, await readReferences(db)),
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

/** An interrupted migration leaves one table, an empty one with the columns that it should have. */
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
  const isAlike = expected !== undefined && found?.size === expected.size && !lacks(found, expected);
  return isAlike && (await isEmpty(db, table)) ? table : undefined;
}

function lacks(found: ReadonlySet<string> | undefined, expected: ReadonlySet<string>): boolean {
  return found !== undefined && [...expected].some((column) => !found.has(column));
}

/** By what only the one or the other has. */
function originOf(tables: TableColumns, references: readonly Reference[]): SchemaState["origin"] {
  const members = tables.get("usergroup");
  if (tables.has("rpc_inbox") && members?.has("groupname") === true) return "authmq";
  const refers = (from: string, to: string): boolean =>
    references.some((reference) => reference.from === from && reference.to === to);
  const isOriginal =
    members?.has("groupname") === false &&
    refers("token", "user") &&
    refers("usergroup", "user") &&
    refers("usergroup", "group");
  return isOriginal ? "py_auth_micro" : undefined;
}
