import type { DbConfig } from "../config/load.ts";
import { openDatabase } from "./database.ts";
import { hasAdmin } from "./queries/admins.ts";
import { listParked, type ParkedRequest } from "./queries/poison-messages.ts";
import { findUnpublished } from "./queries/events.ts";
import { readServerFacts, type ServerFacts } from "./queries/server.ts";
import { refusalOf } from "./schema-fault.ts";
import { readSchemaState, type SchemaState } from "./schema-state.ts";
import { assertWritable, type DiskSpace, diskSpaceOf } from "./writes.ts";

/** What a database says of itself and of what is in it. */
export interface DatabaseFacts extends ServerFacts {
  readonly schema: SchemaState;
  /** What a write met, where it failed; undefined also where the tables are not those of this version. */
  readonly writeError: unknown;
  /** Of the file; undefined where the database is a server. */
  readonly diskSpace: DiskSpace | undefined;
  /** Whether somebody can log in as an administrator; undefined where the tables are not those of this version. */
  readonly hasAdmin: boolean | undefined;
  /** The latest requests that were given up, at most ten; none where the tables are not those of this version. */
  readonly parked: readonly ParkedRequest[];
  /** Since when the oldest event waits to be published; undefined where none does. */
  readonly eventsWaitSince: Date | undefined;
}

/** Looks at the database and changes nothing in it: what it writes is rolled back; rejects as its driver does. */
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
    };
  } finally {
    await db.destroy().catch(() => undefined); // where that fails, so did a statement, and its error tells more
  }
}
