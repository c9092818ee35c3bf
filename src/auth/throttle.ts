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
  beginsToWait,
  recordExpiry,
  type AttemptOutcome,
  settle,
  type ClientRecord,
  unlocked,
} from "./throttle/policy.ts";

/** Where an attempt comes from: the sender as the broker has verified it, and the address that it names. */
export interface Origin {
  readonly userId: string;
  readonly ip: string;
}

/** An attempt that was let in: what becomes of it must be said. */
export interface Attempt {
  settle(outcome: AttemptOutcome): Promise<void>;
}

/** Keeps count of failed logins for all replicas, and lets guessers wait; names that nobody has are counted alike. */
export interface Throttle {
  /** Lets an attempt at an account begin within so many milliseconds; throws TOO_MANY_ATTEMPTS, or UNAVAILABLE. */
  admit(username: string, origin: Origin, limit: number): Promise<Attempt>;
  /** Takes an account's failures back; false where there are none. */
  unlock(writer: Writer, username: string): Promise<boolean>;
  /** Forgets an account: one that is made anew under its name is another one. */
  forget(writer: Writer, username: string): Promise<void>;
}

interface ThrottleParts {
  readonly db: Database;
  readonly limits: LoginThrottle;
  readonly fingerprints: Fingerprints;
  readonly metrics: Metrics;
  readonly log: Log;
}

interface Guesser {
  readonly username: string;
  readonly key: Buffer;
  /** Of the origin, within the account. */
  readonly id: string;
}

/** Between two looks at whether the attempts that run are decided, in milliseconds. */
const PAUSE = 25;

const stored = z.array(
  z.object({
    id: z.string(),
    failures: z.number(),
    failedAt: z.number(),
    pending: z.array(z.number()),
    succeededAt: z.number(),
  }),
);

/** A throttle in the database. Names and addresses stand there as keyed digests: what is typed as a name may be a password. */
export function createThrottle({ db, limits, fingerprints, metrics, log }: ThrottleParts): Throttle {
  // A directory knows the case of letters beyond ASCII, and each spelling would have failures of its own.
  const keyOf = (username: string): Buffer =>
    fingerprints.of("account", username.normalize("NFC").toLowerCase());

  /** How many attempts run in this process that stand in no table, because their limit is far: by account, and source. */
  const unwritten = new Map<string, number>();
  const countUnwritten = (names: readonly string[], step: 1 | -1): void => {
    for (const name of names) {
      const count = (unwritten.get(name) ?? 0) + step;
      if (count > 0) unwritten.set(name, count);
      else unwritten.delete(name);
    }
  };

  /** One after the other for each account: of many at once all but one would find that they read an old state. */
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

  /** Replaces an account's sources by what `next` makes of them; undefined leaves them. */
  const change = async <T extends readonly ClientRecord[] | undefined>(
    trx: Db,
    key: Buffer,
    next: (sources: readonly ClientRecord[]) => T,
  ): Promise<T> => {
    for (;;) {
      const row = await findThrottle(trx, key);
      const sources = next(row === undefined ? [] : readSources(row.sources));
      if (sources === undefined) return sources;
      if (await write(trx, key, row, sources)) return sources;
    }
  };

  const write = (
    trx: Db,
    key: Buffer,
    row: ThrottleRow | undefined,
    sources: readonly ClientRecord[],
  ): Promise<boolean> =>
    writeThrottle(trx, {
      key,
      earlier: row?.version,
      sources: JSON.stringify(sources),
      expiresAt: new Date(recordExpiry(sources, Date.now(), limits)),
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
          throw new AppError("UNAVAILABLE", "other logins of the account were not decided in time");
        await sleep(PAUSE * (1 + Math.random()));
      }
    },
    async unlock({ trx }, username) {
      let isLocked = false;
      await change(trx, keyOf(username), (sources) => {
        isLocked = sources.some(({ failures }) => failures > 0);
        return isLocked ? unlocked(sources) : undefined;
      });
      return isLocked;
    },
    forget: ({ trx }, username) => deleteThrottle(trx, keyOf(username)),
  };

  /** An attempt that begins now; undefined while others must be decided first. */
  async function enter(from: Guesser): Promise<Attempt | undefined> {
    const { key, id } = from;
    const began = Date.now();
    const row = await findThrottle(db, key);
    const before = row === undefined ? [] : readSources(row.sources);
    const [own = 0, all = 0] = namesOf(from).map((name) => unwritten.get(name) ?? 0);
    const admission = admit(before, id, began, limits, { own, all });
    if (admission.verdict === "refused") throw refuse(admission.until);
    if (admission.verdict === "busy") return undefined;
    if (admission.isFarFromLimit) return attemptUnwritten(from, began, admission.isWellKnown);
    // Another worker was first: its attempt may be the last one that is free.
    if (!(await write(db, key, row, admission.sources))) return enter(from);
    return { settle: (outcome) => conclude(from, began, outcome) };
  }

  /** Most logins are right, and of a source that is known: they cost no write at all. */
  function attemptUnwritten(from: Guesser, began: number, isWellKnown: boolean): Attempt {
    const names = namesOf(from);
    countUnwritten(names, 1);
    return {
      async settle(outcome) {
        try {
          if (outcome === "failed" || (outcome === "succeeded" && !isWellKnown))
            await conclude(from, began, outcome);
        } finally {
          countUnwritten(names, -1);
        }
      },
    };
  }

  async function conclude(
    { username, key, id }: Guesser,
    began: number,
    outcome: AttemptOutcome,
  ): Promise<void> {
    const leave = (before: readonly ClientRecord[]): readonly ClientRecord[] =>
      settle(before, id, { began, outcome }, Date.now(), limits);
    const sources = await inTurn(key, () => withRetry(() => change(db, key, leave)));
    if (outcome === "failed" && beginsToWait(sources, id, limits)) await announce(username);
  }

  async function announce(username: string): Promise<void> {
    // A name that nobody has may be a password in the wrong field. It is counted, whether its name is found or not.
    const user = await findUser(db, username).catch(() => undefined);
    const whose = user === undefined ? { known: false } : { username: user.username };
    log.warn(whose, "too many failed logins: further attempts are rate limited");
  }
}

/** The names of a source and of its account. */
function namesOf({ key, id }: Guesser): readonly [own: string, all: string] {
  const account = key.toString("hex");
  return [`${account} ${id}`, account];
}

/** What stands in a row; nothing where somebody else has written there. */
function readSources(text: string): readonly ClientRecord[] {
  try {
    return stored.parse(JSON.parse(text));
  } catch {
    return [];
  }
}

/** An IPv4 address, or the first half of an IPv6 one: its owner has all the rest (RFC 6177). */
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
