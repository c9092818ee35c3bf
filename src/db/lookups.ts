import DataLoader from "dataloader";
import { bound, type SpanDescription, traced } from "../observability/tracing.ts";
import type { Database } from "./database.ts";
import { foldName } from "./names.ts";
import { type AccountRow, findAccounts } from "./queries/accounts.ts";
import { listGroups } from "./queries/groups.ts";
import { findSessions, type SessionRow } from "./queries/id-tokens.ts";
import { listUsernames } from "./queries/users.ts";
import { readDeadline, readingUntil } from "./reads.ts";

/** Keys of one statement. */
const MAX_BATCH = 128;

/**
 * Reads that requests share: what is asked for while a statement runs goes with the next one. That is sent after each of
 * them was asked for, so each sees whatever was committed before.
 */
export interface Lookups {
  /** The session of a token id; undefined when it is revoked. */
  session(tokenId: bigint): Promise<SessionRow | undefined>;
  /** A user with groups and session, whatever the case of the name. */
  account(username: string): Promise<AccountRow | undefined>;
  /** All group names in order. */
  groups(): Promise<readonly string[]>;
  /** All usernames in order. */
  usernames(): Promise<readonly string[]>;
}

/** Shared reads of a database. */
export function createLookups(db: Database): Lookups {
  /** Until when the latest who asked waits, so that a lock that keeps one waiting loses nobody behind it. */
  let deadline = 0;
  const sharing = <K, V>(read: (keys: readonly K[]) => Promise<V[]>): DataLoader<K, V> =>
    createSharing((keys) => readingUntil(deadline, () => read(keys)));
  const ask = <V>(what: string, load: () => Promise<V>): Promise<V> => {
    deadline = Math.max(deadline, readDeadline());
    return traced(spanOf(what), load);
  };
  const sessions = sharing<bigint, SessionRow | undefined>(async (ids) => {
    const found = await findSessions(db, distinct(ids));
    return ids.map((id) => found.get(id));
  });
  const accounts = sharing<string, AccountRow | undefined>(async (names) => {
    const found = await findAccounts(db, distinct(names));
    return names.map((name) => found.get(name));
  });
  const list = (read: (from: Database) => Promise<readonly string[]>) =>
    sharing<"all", readonly string[]>(async (askers) => {
      const all = await read(db);
      return askers.map(() => all);
    });
  const groups = list(listGroups);
  const usernames = list(listUsernames);
  return {
    session: (tokenId) => ask("session", () => sessions.load(tokenId)),
    account: (username) => ask("account", () => accounts.load(foldName(username))),
    groups: () => ask("groups", () => groups.load("all")),
    usernames: () => ask("usernames", () => usernames.load("all")),
  };
}

/**
 * One statement at a time: what is asked for meanwhile goes with the next one. What was read is not kept, because somebody
 * who asks later must see what has changed.
 */
function createSharing<K, V>(read: (keys: readonly K[]) => Promise<V[]>): DataLoader<K, V> {
  /** Batches that are complete, or still grow. */
  const waiting: (() => void)[] = [];
  let isBusy = false;
  const next = (): void => {
    const send = waiting.shift();
    if (send === undefined) isBusy = false;
    else send();
  };
  return new DataLoader<K, V>((keys) => read(keys).finally(next), {
    cache: false,
    maxBatchSize: MAX_BATCH,
    batchScheduleFn: (send) => {
      // The statement is a part of the request that asked first; for the others it is a part of their waiting.
      waiting.push(bound(send));
      if (isBusy) return;
      isBusy = true;
      setImmediate(next);
    },
  });
}

/** Each request has its own: it tells how long this one waited, for whosever statement. */
function spanOf(what: string): () => SpanDescription {
  return () => ({ name: `look up ${what}` });
}

function distinct<K>(keys: readonly K[]): readonly K[] {
  return [...new Set(keys)];
}
