import DataLoader from "dataloader";
import { bound, type SpanDescription, traced } from "../observability/tracing.ts";
import type { Database } from "./database.ts";
import { foldName } from "./names.ts";
import { type AccountRow, findAccounts } from "./queries/accounts.ts";
import { findApiKeys, findApiKeysByHash, type KeyedAccountRow } from "./queries/api-keys.ts";
import { findSessionHolders } from "./queries/granted.ts";
import { listGroups } from "./queries/groups.ts";
import {
  findSessions,
  type SessionRow,
  type SessionSummary,
  summarizeSessions,
} from "./queries/id-tokens.ts";
import type { UnwrittenUse } from "./queries/last-use.ts";
import { listUsernames } from "./queries/users.ts";
import { readDeadline, readingUntil } from "./reads.ts";

/** Keys per statement. */
const MAX_BATCH = 128;

/** Sessions per statement, so that it takes milliseconds where users have hundreds. */
const MAX_SESSIONS = 2000;

/**
 * Batched reads. Keys that are requested while a statement runs go into the next statement. That statement starts after
 * each of these requests, so each sees everything that was committed before.
 */
export interface Lookups {
  /** The session of a token id; undefined if it is revoked. */
  session(tokenId: bigint): Promise<SessionRow | undefined>;
  /** The account of a session; undefined if the session is revoked or has expired. */
  sessionHolder(tokenId: bigint): Promise<AccountRow | undefined>;
  /** The latest session of a user and their number, by stored username; undefined if there is none. */
  sessions(username: string): Promise<SessionSummary | undefined>;
  /** An API key with its account, by id; undefined if it is revoked. */
  apiKey(id: bigint): Promise<KeyedAccountRow | undefined>;
  /** An API key with its account, by `digestOfApiKey`; undefined if it does not exist. */
  apiKeyByDigest(digest: string): Promise<KeyedAccountRow | undefined>;
  /** A user with groups; the case of the name is ignored. */
  account(username: string): Promise<AccountRow | undefined>;
  /** All group names, sorted. */
  groups(): Promise<readonly string[]>;
  /** All usernames, sorted. */
  usernames(): Promise<readonly string[]>;
}

/**
 * Creates the batched reads of a database whose users have at most `sessionsPerUser` sessions; `unwritten` are uses of
 * sessions that are not in the database yet.
 */
export function createLookups(db: Database, sessionsPerUser: number, unwritten: UnwrittenUse): Lookups {
  /** The latest deadline of all waiting requests: a lock wait must not fail requests whose time is not over. */
  let deadline = 0;
  const batched = <K, V>(
    read: (keys: readonly K[]) => Promise<V[]>,
    size: number = MAX_BATCH,
  ): DataLoader<K, V> => createBatched((keys) => readingUntil(deadline, () => read(keys)), size);
  const load = <V>(what: string, read: () => Promise<V>): Promise<V> => {
    deadline = Math.max(deadline, readDeadline());
    return traced(spanOf(what), read);
  };
  const found = <K, V>(
    find: (db: Database, keys: readonly K[]) => Promise<ReadonlyMap<K, V>>,
    size?: number,
  ) =>
    batched<K, V | undefined>(async (keys) => {
      const rows = await find(db, distinct(keys));
      return keys.map((key) => rows.get(key));
    }, size);
  const sessions = found(findSessions);
  const holders = found(findSessionHolders);
  const usersAtOnce = Math.min(MAX_BATCH, Math.ceil(MAX_SESSIONS / sessionsPerUser));
  const summaries = found<string, SessionSummary>(
    (from, names) => summarizeSessions(from, names, unwritten),
    usersAtOnce,
  );
  const apiKeys = found(findApiKeys);
  const apiKeysByHash = found(findApiKeysByHash);
  const accounts = found(findAccounts);
  const list = (read: (from: Database) => Promise<readonly string[]>) =>
    batched<"all", readonly string[]>(async (keys) => {
      const all = await read(db);
      return keys.map(() => all);
    });
  const groups = list(listGroups);
  const usernames = list(listUsernames);
  return {
    session: (tokenId) => load("session", () => sessions.load(tokenId)),
    sessionHolder: (tokenId) => load("session", () => holders.load(tokenId)),
    sessions: (username) => load("sessions", () => summaries.load(username)),
    apiKey: (id) => load("API key", () => apiKeys.load(id)),
    apiKeyByDigest: (digest) => load("API key", () => apiKeysByHash.load(digest)),
    account: (username) => load("account", () => accounts.load(foldName(username))),
    groups: () => load("groups", () => groups.load("all")),
    usernames: () => load("usernames", () => usernames.load("all")),
  };
}

/**
 * Runs one statement at a time and collects keys for the next one. Results are not cached, because a later request must
 * see later changes.
 */
function createBatched<K, V>(
  read: (keys: readonly K[]) => Promise<V[]>,
  maxBatchSize: number,
): DataLoader<K, V> {
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
    maxBatchSize,
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
