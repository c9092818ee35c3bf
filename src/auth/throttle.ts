import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Writer } from "../accounts/writer.ts";
import type { LoginThrottle } from "../config/sections/app.ts";
import type { Database, Db } from "../db/database.ts";
import {
  deleteThrottle,
  findThrottle,
  type ThrottleRow,
  writeThrottle,
} from "../db/queries/login-throttle.ts";
import { findUser } from "../db/queries/users.ts";
import { withRetry } from "../db/transaction.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Fingerprints } from "../tokens/fingerprint.ts";
import {
  admit,
  type AttemptOutcome,
  type ClientRecord,
  reachesThreshold,
  recordExpiry,
  settle,
  withoutFailures,
} from "./throttle/policy.ts";

/** The client of an attempt: the sender that the broker has verified, and the address in the request. */
export interface Origin {
  readonly userId: string;
  readonly ip: string;
}

/** An admitted attempt; `settle` must be called with its outcome. */
export interface Attempt {
  settle(outcome: AttemptOutcome): Promise<void>;
}

/** Rate limits failed logins across all replicas, also for unknown usernames. */
export interface Throttle {
  /** Admits a login attempt within `limit` milliseconds; throws TOO_MANY_ATTEMPTS or UNAVAILABLE. */
  admit(username: string, origin: Origin, limit: number): Promise<Attempt>;
  /** Deletes an account's failed logins; false if there are none. */
  unlock(writer: Writer, username: string): Promise<boolean>;
  /** Deletes the whole record of an account, so that a new account of this name starts without it. */
  forget(writer: Writer, username: string): Promise<void>;
}

interface ThrottleParts {
  readonly db: Database;
  readonly limits: LoginThrottle;
  readonly fingerprints: Fingerprints;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** An account and a client. */
interface LoginOrigin {
  readonly username: string;
  /** Digest of the account. */
  readonly key: Buffer;
  /** Digest of the client. */
  readonly id: string;
}

/** The interval of checks whether running attempts have ended, in milliseconds. */
const POLL_INTERVAL = 25;

const stored = z.array(
  z.object({
    id: z.string(),
    failures: z.number(),
    failedAt: z.number(),
    pending: z.array(z.number()),
    succeededAt: z.number(),
  }),
);

/** Creates the throttle. It stores names as keyed digests, because users may type a password in the wrong field. */
export function createThrottle({ db, limits, fingerprints, metrics, log }: ThrottleParts): Throttle {
  // Directories also ignore the case of non-ASCII letters: all spellings must share one record.
  const keyOf = (username: string): Buffer =>
    fingerprints.of("account", username.normalize("NFC").toLowerCase());

  /** The number of running attempts of this process that are not in the database, by account and by client. */
  const unrecorded = new Map<string, number>();
  const countUnrecorded = (names: readonly string[], step: 1 | -1): void => {
    for (const name of names) {
      const count = (unrecorded.get(name) ?? 0) + step;
      if (count > 0) unrecorded.set(name, count);
      else unrecorded.delete(name);
    }
  };

  /** Serializes work by account: of concurrent updates, all but one would fail because their version is outdated. */
  const turns = new Map<string, Promise<unknown>>();
  const inTurn = async <T>(key: Buffer, work: () => Promise<T>): Promise<T> => {
    const name = key.toString("hex");
    const before = turns.get(name);
    const mine = (async () => {
      await before?.catch(() => undefined);
      return work();
    })();
    turns.set(name, mine);
    try {
      return await mine;
    } finally {
      if (turns.get(name) === mine) turns.delete(name);
    }
  };

  /** Updates an account's clients with `next`, which returns undefined to leave them unchanged. */
  const change = async <T extends readonly ClientRecord[] | undefined>(
    trx: Db,
    key: Buffer,
    next: (clients: readonly ClientRecord[]) => T,
  ): Promise<T> => {
    for (;;) {
      const row = await findThrottle(trx, key);
      const clients = next(row === undefined ? [] : parseClients(row.sources));
      if (clients === undefined) return clients;
      if (await write(trx, key, row, clients)) return clients;
    }
  };

  const write = (
    trx: Db,
    key: Buffer,
    row: ThrottleRow | undefined,
    clients: readonly ClientRecord[],
  ): Promise<boolean> =>
    writeThrottle(trx, {
      key,
      earlier: row?.version,
      sources: JSON.stringify(clients),
      expiresAt: new Date(recordExpiry(clients, Date.now(), limits)),
    });

  const refuse = (until: number): AppError => {
    metrics.count("logins_throttled_total");
    const retryAfter = Math.max(1, Math.ceil((until - Date.now()) / 1000));
    return new AppError("TOO_MANY_ATTEMPTS", undefined, { retryAfter });
  };

  return {
    async admit(username, { userId, ip }, limit) {
      const key = keyOf(username);
      const id = fingerprints.of("origin", userId, networkOf(ip)).toString("base64url", 0, 12);
      const from = { username, key, id };
      const end = performance.now() + limit;
      for (;;) {
        const attempt = await inTurn(key, () => withRetry(() => enter(from), limit));
        if (attempt !== undefined) return attempt;
        if (performance.now() >= end)
          throw new AppError("UNAVAILABLE", "other logins of the account did not finish in time");
        await sleep(POLL_INTERVAL * (1 + Math.random()));
      }
    },
    async unlock({ trx }, username) {
      let isLocked = false;
      await change(trx, keyOf(username), (clients) => {
        isLocked = clients.some(({ failures }) => failures > 0);
        return isLocked ? withoutFailures(clients) : undefined;
      });
      return isLocked;
    },
    forget: ({ trx }, username) => deleteThrottle(trx, keyOf(username)),
  };

  /** Starts an attempt; undefined if running attempts must end first. */
  async function enter(from: LoginOrigin): Promise<Attempt | undefined> {
    const { key, id } = from;
    const began = Date.now();
    const row = await findThrottle(db, key);
    const before = row === undefined ? [] : parseClients(row.sources);
    const [own = 0, all = 0] = countersOf(from).map((name) => unrecorded.get(name) ?? 0);
    const admission = admit(before, id, began, limits, { own, all });
    if (admission.verdict === "refused") throw refuse(admission.until);
    if (admission.verdict === "busy") return undefined;
    if (admission.isFarFromLimit) return startUnrecorded(from, began, admission.isWellKnown);
    // If another worker wrote first, check again: its attempt may have used the last free one.
    if (!(await write(db, key, row, admission.clients))) return enter(from);
    return { settle: (outcome) => conclude(from, began, outcome) };
  }

  /** Starts an attempt without a write: most logins succeed and come from a known client. */
  function startUnrecorded(from: LoginOrigin, began: number, isWellKnown: boolean): Attempt {
    const names = countersOf(from);
    countUnrecorded(names, 1);
    return {
      async settle(outcome) {
        try {
          if (outcome === "failed" || (outcome === "succeeded" && !isWellKnown))
            await conclude(from, began, outcome);
        } finally {
          countUnrecorded(names, -1);
        }
      },
    };
  }

  async function conclude(
    { username, key, id }: LoginOrigin,
    began: number,
    outcome: AttemptOutcome,
  ): Promise<void> {
    const settled = (before: readonly ClientRecord[]): readonly ClientRecord[] =>
      settle(before, id, { began, outcome }, Date.now(), limits);
    const clients = await inTurn(key, () => withRetry(() => change(db, key, settled)));
    if (outcome === "failed" && reachesThreshold(clients, id, limits)) await logRateLimit(username);
  }

  async function logRateLimit(username: string): Promise<void> {
    // Do not log an unknown username: it may be a password in the wrong field.
    const user = await findUser(db, username).catch(() => undefined);
    const fields = user === undefined ? { known: false } : { username: user.username };
    log.warn(fields, "too many failed logins: further attempts are rate limited");
  }
}

/** The names of the counters for a client and for its account. */
function countersOf({ key, id }: LoginOrigin): readonly [own: string, all: string] {
  const account = key.toString("hex");
  return [`${account} ${id}`, account];
}

/** Parses a stored record; empty if another program has written it. */
function parseClients(text: string): readonly ClientRecord[] {
  try {
    return stored.parse(JSON.parse(text));
  } catch {
    return [];
  }
}

/** An IPv4 address, or the /64 network of an IPv6 address, because one site has the whole network (RFC 6177). */
function networkOf(ip: string): string {
  if (!ip.includes(":")) return ip;
  const [head = "", tail = ""] = ip.split("::");
  const [first, last] = [head, tail].map((part) => part.split(":").filter((group) => group !== ""));
  const zeros = new Array<string>(8).fill("0");
  const groups = [
    ...(first ?? []),
    ...zeros.slice((first ?? []).length + (last ?? []).length),
    ...(last ?? []),
  ];
  return groups.slice(0, 4).join(":");
}
