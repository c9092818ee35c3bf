import type { Database } from "../db/database.ts";
import { type SessionRow, touchIdTokens } from "../db/queries/id-tokens.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import { detached } from "../observability/tracing.ts";

/** The maximum delay of a write in milliseconds, unless the database is unavailable. */
const DELAY = 1000;

/** ID tokens per statement, so that it holds its locks only briefly. */
const BATCH_SIZE = 512;

/** Records when ID tokens were last used; writes after the reply, in batches. */
export interface LastUse {
  /** Records a use. Writes the first use of a session immediately; false if the session has ended. */
  note(session: SessionRow): Promise<boolean>;
  /** The last recorded use that is not written yet. */
  unwritten(tokenId: bigint): Date | undefined;
  /** Writes all recorded uses; complete on return. */
  close(): Promise<void>;
}

/** Creates the record of uses for a database. */
export function createLastUse(db: Database, log: Log): LastUse {
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
    const ids = [...inFlight.keys()].sort((a, b) => (a < b ? -1 : 1));
    for (let from = 0; from < ids.length; from += BATCH_SIZE) {
      const batch = ids.slice(from, from + BATCH_SIZE);
      try {
        await touchIdTokens(db, batch, new Date());
      } catch (error) {
        log.warn(
          { reason: messageOf(error), tokens: batch.length },
          "could not store when sessions were last used",
        );
      }
    }
    inFlight = new Map();
  };
  const begin = (): void => {
    writing = writing.then(write);
  };
  return {
    async note({ token_id, last_use }) {
      if (last_use === null) return (await touchIdTokens(db, [token_id], new Date())) > 0;
      pending.set(token_id, new Date());
      timer ??= detached(() => setTimeout(begin, DELAY)).unref();
      return true;
    },
    unwritten: (tokenId) => pending.get(tokenId) ?? inFlight.get(tokenId),
    async close() {
      clearTimeout(timer);
      await writing;
      await write();
    },
  };
}
