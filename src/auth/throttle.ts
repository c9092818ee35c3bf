import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { LoginThrottle } from "../config/app-config.ts";
import type { Database, Db, Trx } from "../db/database.ts";
import { deleteThrottle, findThrottle, writeThrottle } from "../db/queries/login-throttle.ts";
import { findUser } from "../db/queries/users.ts";
import { repeated } from "../db/transaction.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Fingerprints } from "../tokens/fingerprint.ts";
import {
  admit,
  beginsToWait,
  expiryOf,
  type Outcome,
  settle,
  type Source,
  unlocked,
} from "./throttle/policy.ts";

/** Where an attempt comes from: the sender as the broker has verified it, and the address that it names. */
export interface Origin {
  readonly userId: string;
  readonly ip: string;
}

/** An attempt that was let in: what becomes of it must be said. */
export interface Attempt {
  settle(outcome: Outcome): Promise<void>;
}

/** Keeps count of failed logins for all replicas, and lets guessers wait; names that nobody has are counted alike. */
export interface Throttle {
  /** Lets an attempt at an account begin within so many milliseconds; throws TOO_MANY_ATTEMPTS, or UNAVAILABLE. */
  admit(username: string, origin: Origin, limit: number): Promise<Attempt>;
  /** Takes an account's failures back; false where there are none. */
  unlock(trx: Trx, username: string): Promise<boolean>;
  /** Forgets an account: one that is made anew under its name is another one. */
  forget(trx: Trx, username: string): Promise<void>;
}

interface ThrottleParts {
  readonly db: Database;
  readonly limits: LoginThrottle;
  readonly fingerprints: Fingerprints;
  readonly metrics: Metrics;
  readonly log: Log;
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
  const keyOf = (username: string): Buffer => fingerprints.of("account", username.toLowerCase());

  /** Replaces an account's sources by what `next` makes of them; undefined leaves them. */
  const change = async <T extends readonly Source[] | undefined>(
    trx: Db,
    key: Buffer,
    next: (sources: readonly Source[]) => T,
  ): Promise<T> => {
    for (;;) {
      const row = await findThrottle(trx, key);
      const sources = next(row === undefined ? [] : readSources(row.sources));
      if (sources === undefined) return sources;
      const now = Date.now();
      const written = await writeThrottle(trx, {
        key,
        earlier: row?.version,
        sources: JSON.stringify(sources),
        expiresAt: new Date(expiryOf(sources, now, limits)),
      });
      if (written) return sources;
    }
  };

  const refuse = (until: number): AppError => {
    metrics.count("logins_throttled_total");
    const retryAfter = Math.max(1, Math.ceil((until - Date.now()) / 1000));
    return new AppError("TOO_MANY_ATTEMPTS", undefined, { retryAfter });
  };

  return {
    async admit(username, { userId, ip }, limit) {
      const key = keyOf(username);
      const id = fingerprints.of("origin", userId, networkOf(ip)).toString("base64url", 0, 12);
      const end = performance.now() + limit;
      for (;;) {
        const began = Date.now();
        const admitted = await repeated(
          () =>
            change(db, key, (sources) => {
              const admission = admit(sources, id, began, limits);
              if (admission.verdict === "refused") throw refuse(admission.until);
              return admission.verdict === "admitted" ? admission.sources : undefined;
            }),
          limit,
        );
        if (admitted !== undefined) return attempt(username, key, id, began);
        if (performance.now() >= end)
          throw new AppError("UNAVAILABLE", "other logins of the account were not decided in time");
        await sleep(PAUSE * (1 + Math.random()));
      }
    },
    async unlock(trx, username) {
      let isLocked = false;
      await change(trx, keyOf(username), (sources) => {
        isLocked = sources.some(({ failures }) => failures > 0);
        return isLocked ? unlocked(sources) : undefined;
      });
      return isLocked;
    },
    forget: (trx, username) => deleteThrottle(trx, keyOf(username)),
  };

  function attempt(username: string, key: Buffer, id: string, began: number): Attempt {
    return {
      async settle(outcome) {
        const sources = await repeated(() =>
          change(db, key, (before) => settle(before, id, { began, outcome }, Date.now(), limits)),
        );
        if (outcome === "failed" && beginsToWait(sources, id, limits)) await announce(username);
      },
    };
  }

  async function announce(username: string): Promise<void> {
    // A name that nobody has may be a password in the wrong field. It is counted, whether its name is found or not.
    const user = await findUser(db, username).catch(() => undefined);
    const whose = user === undefined ? { known: false } : { username: user.username };
    log.warn(whose, "logins of an account have failed too often: the next ones must wait");
  }
}

/** What stands in a row; nothing where somebody else has written there. */
function readSources(text: string): readonly Source[] {
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
