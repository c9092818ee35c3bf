import DataLoader from "dataloader";
import { bound, type SpanDescription, traced } from "../observability/tracing.ts";
import type { Database } from "./database.ts";
import { foldName } from "./names.ts";
import { type AccountRow, findAccounts } from "./queries/accounts.ts";
import { listGroups } from "./queries/groups.ts";
import { findSessions, type SessionRow } from "./queries/id-tokens.ts";
import { listUsernames } from "./queries/users.ts";
import { readDeadline, readingUntil } from "./reads.ts";

/** Keys per statement. */
const MAX_BATCH = 128;

/**
 * Batched reads. Keys that are requested while a statement runs go into the next statement. That statement starts after
 * each of these requests, so each sees everything that was committed before.
 */
export interface Lookups {
  /** The session of a token id; undefined if it is revoked. */
  session(tokenId: bigint): Promise<SessionRow | undefined>;
  /** A user with groups and session; the case of the name is ignored. */
  account(username: string): Promise<AccountRow | undefined>;
  /** All group names, sorted. */
  groups(): Promise<readonly string[]>;
  /** All usernames, sorted. */
  usernames(): Promise<readonly string[]>;
}

/** Creates the batched reads of a database. */
export function createLookups(db: Database): Lookups {
  /** The latest deadline of all waiting requests: a lock wait must not fail requests whose time is not over. */
  let deadline = 0;
  const batched = <K, V>(read: (keys: readonly K[]) => Promise<V[]>): DataLoader<K, V> =>
    createBatched((keys) => readingUntil(deadline, () => read(keys)));
  const load = <V>(what: string, read: () => Promise<V>): Promise<V> => {
    deadline = Math.max(deadline, readDeadline());
    return traced(spanOf(what), read);
  };
  const sessions = batched<bigint, SessionRow | undefined>(async (ids) => {
    const found = await findSessions(db, distinct(ids));
    return ids.map((id) => found.get(id));
  });
  const accounts = batched<string, AccountRow | undefined>(async (names) => {
    const found = await findAccounts(db, distinct(names));
    return names.map((name) => found.get(name));
  });
  const list = (read: (from: Database) => Promise<readonly string[]>) =>
    batched<"all", readonly string[]>(async (keys) => {
      const all = await read(db);
      return keys.map(() => all);
    });
  const groups = list(listGroups);
  const usernames = list(listUsernames);
  return {
    session: (tokenId) => load("session", () => sessions.load(tokenId)),
    account: (username) => load("account", () => accounts.load(foldName(username))),
    groups: () => load("groups", () => groups.load("all")),
    usernames: () => load("usernames", () => usernames.load("all")),
  };
}

/**
 * Runs one statement at a time and collects keys for the next one. Results are not cached, because a later request must
 * see later changes.
 */
function createBatched<K, V>(read: (keys: readonly K[]) => Promise<V[]>): DataLoader<K, V> {
  /** Batches that wait for their turn; the last one may still grow. */
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
      // The statement's span belongs to the request that started the batch.
      waiting.push(bound(send));
      if (isBusy) return;
      isBusy = true;
      setImmediate(next);
    },
  });
}

/** A span per request: how long it waited, even for a statement that another request started. */
function spanOf(what: string): () => SpanDescription {
  return () => ({ name: `look up ${what}` });
}

function distinct<K>(keys: readonly K[]): readonly K[] {
  return [...new Set(keys)];
}
