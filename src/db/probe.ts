import type { DbConfig } from "../config/load.ts";
import { openDatabase } from "./database.ts";
import { hasAdmin } from "./queries/admins.ts";
import { type KeyUse, readKeyUse } from "./queries/encrypted-secrets.ts";
import { listParked, type ParkedRequest } from "./queries/poison-messages.ts";
import { findUnpublished } from "./queries/events.ts";
import { readServerFacts, type ServerFacts } from "./queries/server.ts";
import { refusalOf } from "./schema-fault.ts";
import { readSchemaState, type SchemaState } from "./schema-state.ts";
import { assertWritable, type DiskSpace, diskSpaceOf } from "./writes.ts";

/** What `doctor` reads about a database and its contents. */
export interface DatabaseFacts extends ServerFacts {
  readonly schema: SchemaState;
  /** The error of a test write; undefined if it succeeded, or if the schema is not this version's. */
  readonly writeError: unknown;
  /** Of the database file; undefined for a server. */
  readonly diskSpace: DiskSpace | undefined;
  /** Whether there is an activated administrator; undefined if the schema is not this version's. */
  readonly hasAdmin: boolean | undefined;
  /** The latest parked requests, at most ten; empty if the schema is not this version's. */
  readonly parked: readonly ParkedRequest[];
  /** Time of the oldest unpublished event; undefined if there is none. */
  readonly eventsWaitSince: Date | undefined;
  /** What the encryption keys encrypt, by key id; empty if the schema is not this version's. */
  readonly keyUse: ReadonlyMap<string, KeyUse>;
}

/** Inspects the database. Changes nothing: its test write is rolled back. Rejects with the driver's error. */
export async function probeDatabase(config: DbConfig, adminGroup: string): Promise<DatabaseFacts> {
  const db = openDatabase(config);
  try {
    const server = await readServerFacts(db);
    const schema = await readSchemaState(db);
    const current =
      schema.pending.length === 0 && schema.missing.length === 0 && refusalOf(schema, config) === undefined;
    return {
      ...server,
      schema,
      writeError: current ? await assertWritable(db, config).catch((error: unknown) => error) : undefined,
      diskSpace: config.dialect === "sqlite" ? await diskSpaceOf(config.file) : undefined,
      hasAdmin: current ? await hasAdmin(db, adminGroup) : undefined,
      parked: current ? await listParked(db, 10) : [],
      eventsWaitSince: current ? (await findUnpublished(db, 1))[0]?.time : undefined,
      keyUse: current ? await readKeyUse(db) : new Map(),
    };
  } finally {
    await db.destroy().catch(() => undefined); // if this fails, a statement failed before, with the better error
  }
}
