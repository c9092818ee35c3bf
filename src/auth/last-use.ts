import type { Database } from "../db/database.ts";
import { touchApiKeys } from "../db/queries/api-keys.ts";
import type { Grant } from "../db/queries/granted.ts";
import { touchIdTokens } from "../db/queries/id-tokens.ts";
import type { Uses } from "../db/queries/last-use.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import { detached } from "../observability/tracing.ts";

/** The maximum delay of a write in milliseconds, unless the database is unavailable. */
const DELAY = 1000;

/** Rows per statement, so that it holds its locks only briefly. */
const BATCH_SIZE = 128;

/** Records when sessions and API keys were last used; writes after the reply, in batches. */
export interface LastUse {
  /** Records a use. Writes the first use, if `last_use` is null, immediately; false if the row is gone. */
  note(grant: Grant, row: { readonly last_use: Date | null }): Promise<boolean>;
  /** The last recorded use that is not written yet. */
  unwritten(grant: Grant): Date | undefined;
  /** Writes all recorded uses; complete on return. */
  close(): Promise<void>;
}

/** Creates the record of uses for a database. */
export function createLastUse(db: Database, log: Log): LastUse {
  const sessions = createTable(db, log, touchIdTokens);
  const keys = createTable(db, log, touchApiKeys);
  const tableOf = (grant: Grant): readonly [Table, bigint] =>
    "sid" in grant ? [sessions, grant.sid] : [keys, grant.apiKeyId];
  return {
    note(grant, row) {
      const [table, id] = tableOf(grant);
      return table.note(id, row.last_use === null);
    },
    unwritten(grant) {
      const [table, id] = tableOf(grant);
      return table.unwritten(id);
    },
    async close() {
      await Promise.all([sessions.close(), keys.close()]);
    },
  };
}

/** The uses of one table's rows. */
interface Table {
  note(id: bigint, isFirst: boolean): Promise<boolean>;
  unwritten(id: bigint): Date | undefined;
  close(): Promise<void>;
}

function createTable(db: Database, log: Log, touch: (db: Database, uses: Uses) => Promise<number>): Table {
  let pending = new Map<bigint, Date>();
  /** The batch that is being written: until then, reads of the database return older values. */
  let inFlight: ReadonlyMap<bigint, Date> = pending;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  const write = async (): Promise<void> => {
    timer = undefined;
    inFlight = pending;
    pending = new Map();
    // All replicas lock rows in the same order, so that they cannot deadlock.
    const uses = [...inFlight].sort(([a], [b]) => (a < b ? -1 : 1));
    for (let from = 0; from < uses.length; from += BATCH_SIZE) {
      const batch = new Map(uses.slice(from, from + BATCH_SIZE));
      try {
        await touch(db, batch);
      } catch (error) {
        log.warn(
          { reason: messageOf(error), rows: batch.size },
          "could not store when sessions or API keys were last used",
        );
      }
    }
    inFlight = new Map();
  };
  const begin = (): void => {
    writing = writing.then(write);
  };
  return {
    async note(id, isFirst) {
      if (isFirst) return (await touch(db, new Map([[id, new Date()]]))) > 0;
      pending.set(id, new Date());
      timer ??= detached(() => setTimeout(begin, DELAY)).unref();
      return true;
    },
    unwritten: (id) => pending.get(id) ?? inFlight.get(id),
    async close() {
      clearTimeout(timer);
      await writing;
      await write();
    },
  };
}
