import type { Database } from "../db/database.ts";
import { type SessionRow, touchIdTokens } from "../db/queries/id-tokens.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import { detached } from "../observability/tracing.ts";

/** A use stands in the database after so many milliseconds at the latest, unless the database is away. */
const DELAY = 1000;

/** ID tokens of one statement: its locks are in nobody's way for long. */
const PORTION = 512;

/** When ID tokens were last used: written behind the answers, many in one statement. */
export interface LastUse {
  /** Notes a use. The first one of a session is written at once: false when the session has ended meanwhile. */
  note(session: SessionRow): Promise<boolean>;
  /** The last use that this process has noted and not written yet. */
  unwritten(tokenId: bigint): Date | undefined;
  /** Writes what is noted; complete on return. */
  close(): Promise<void>;
}

/** Notes uses for a database. */
export function createLastUse(db: Database, log: Log): LastUse {
  let noted = new Map<bigint, Date>();
  /** What is being written: until it is, whoever asks must not see an earlier use again. */
  let underway: ReadonlyMap<bigint, Date> = noted;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  const write = async (): Promise<void> => {
    timer = undefined;
    underway = noted;
    noted = new Map();
    // In one order for all replicas, so that none waits for a row while it holds the next.
    const ids = [...underway.keys()].sort((a, b) => (a < b ? -1 : 1));
    for (let from = 0; from < ids.length; from += PORTION) {
      const portion = ids.slice(from, from + PORTION);
      try {
        await touchIdTokens(db, portion, new Date());
      } catch (error) {
        log.warn(
          { reason: messageOf(error), tokens: portion.length },
          "could not store when sessions were last used",
        );
      }
    }
    underway = new Map();
  };
  const begin = (): void => {
    writing = writing.then(write);
  };
  return {
    async note({ token_id, last_use }) {
      if (last_use === null) return (await touchIdTokens(db, [token_id], new Date())) > 0;
      noted.set(token_id, new Date());
      timer ??= detached(() => setTimeout(begin, DELAY)).unref();
      return true;
    },
    unwritten: (tokenId) => noted.get(tokenId) ?? underway.get(tokenId),
    async close() {
      clearTimeout(timer);
      await writing;
      await write();
    },
  };
}
