import DataLoader from "dataloader";
import type { Database } from "./database.ts";
import { foldName } from "./names.ts";
import { type AccountRow, findAccounts } from "./queries/accounts.ts";
import { listGroups } from "./queries/groups.ts";
import { findSessions, type SessionRow } from "./queries/id-tokens.ts";

/** Statements of a kind that run at once; what is asked for meanwhile goes with the next one. */
const AT_ONCE = 1;

/** Keys of one statement. */
const MAX_BATCH = 64;

/**
 * Reads that requests share: all that are asked for in one turn of the event loop are one statement. It is sent after each
 * of them was asked for, so each sees whatever was committed before.
 */
export interface Lookups {
  /** The session of a token id; undefined when it is revoked. */
  session(tokenId: bigint): Promise<SessionRow | undefined>;
  /** A user with groups and session, whatever the case of the name. */
  account(username: string): Promise<AccountRow | undefined>;
  /** All group names in order. */
  groups(): Promise<readonly string[]>;
}

/** Shared reads of a database. */
export function createLookups(db: Database): Lookups {
  const sessions = sharing<bigint, SessionRow | undefined>(async (ids) => {
    const found = await findSessions(db, distinct(ids));
    return ids.map((id) => found.get(id));
  });
  const accounts = sharing<string, AccountRow | undefined>(async (names) => {
    const found = await findAccounts(db, distinct(names));
    return names.map((name) => found.get(name));
  });
  const groups = sharing<"all", readonly string[]>(async (askers) => {
    const all = await listGroups(db);
    return askers.map(() => all);
  });
  return {
    session: (tokenId) => sessions.load(tokenId),
    account: (username) => accounts.load(foldName(username)),
    groups: () => groups.load("all"),
  };
}

/** What was read is not kept: somebody who asks later must see what has changed. */
function sharing<K, V>(read: (keys: readonly K[]) => Promise<V[]>): DataLoader<K, V> {
  let running = 0;
  let waiting: (() => void) | undefined;
  const proceed = (): void => {
    running--;
    waiting?.();
    waiting = undefined;
  };
  return new DataLoader<K, V>(
    async (keys) => {
      running++;
      try {
        return await read(keys);
      } finally {
        proceed();
      }
    },
    {
      cache: false,
      maxBatchSize: MAX_BATCH,
      batchScheduleFn: (send) => {
        if (running < AT_ONCE) setImmediate(send);
        else waiting = send;
      },
    },
  );
}

function distinct<K>(keys: readonly K[]): readonly K[] {
  return [...new Set(keys)];
}
