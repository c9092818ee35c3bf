import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { genSaltSync, hash, parseOptions, verify } from "@node-rs/bcrypt";
import type { Metrics } from "../observability/metrics.ts";
import { createLane, type StillWanted } from "./lane.ts";

/** bcrypt reads no further (and stops at a NUL): a longer password would be as good as its beginning. */
const MAX_BYTES = 72;

/** Whether bcrypt reads every byte of a password: at most 72 in UTF-8, none of them NUL. */
export function isHashable(password: string): boolean {
  return Buffer.byteLength(password) <= MAX_BYTES && !password.includes("\0");
}

/** Hashes and compares passwords, a few at a time. */
export interface Passwords {
  /** A bcrypt hash at the configured cost; the password is hashable. */
  hash(password: string, stillWanted: StillWanted): Promise<Uint8Array>;
  /**
   * Whether the password fits the hash. A refusal takes the time of one comparison at the configured cost, also
   * without a hash, with a damaged one, or with a cheaper one.
   */
  verify(password: string, stored: Uint8Array | null, stillWanted: StillWanted): Promise<boolean>;
  /** Whether a hash is cheaper than what is configured now. */
  isOutdated(stored: Uint8Array): boolean;
}

/** Passwords at a bcrypt cost (2^cost rounds), all in one lane. */
export function createPasswords(cost: number, metrics?: Metrics): Passwords {
  const lane = createLane(hashesAtOnce(), undefined, (seconds) =>
    metrics?.observe("lane_wait_seconds", seconds, { lane: "hashing" }),
  );
  const timed = async <T>(operation: Promise<T>): Promise<T> => {
    const since = performance.now();
    const result = await operation;
    metrics?.observe("hash_duration_seconds", (performance.now() - since) / 1000);
    return result;
  };
  return {
    hash: (password, stillWanted) =>
      lane.run(stillWanted, async () => Buffer.from(await timed(hash(password, { cost })))),
    verify: (password, stored, stillWanted) =>
      lane.run(stillWanted, async () => {
        const known = stored === null ? undefined : costOf(stored);
        if (stored !== null && known !== undefined && isHashable(password)) {
          if (await timed(verify(password, stored))) return true;
          // 2^known + 2^known + 2^(known+1) + ... + 2^(cost-1) = 2^cost rounds, as for everyone else.
          for (let step = known; step < cost; step++) await timed(verify(password, decoy(step)));
        } else {
          await timed(verify(password, decoy(cost)));
        }
        return false;
      }),
    isOutdated: (stored) => (costOf(stored) ?? cost) < cost,
  };
}

/** How many hashes run at once: no more than processors, and one thread of libuv's pool stays for everything else. */
export function hashesAtOnce(): number {
  const pool = Number(process.env["UV_THREADPOOL_SIZE"]) || 4;
  return Math.max(1, Math.min(availableParallelism(), pool - 1));
}

function costOf(stored: Uint8Array): number | undefined {
  try {
    return parseOptions(stored).cost;
  } catch {
    return undefined;
  }
}

/** A well-formed hash that fits no password anybody knows, so that comparing with it costs what a real one does. */
function decoy(cost: number): string {
  const digest = randomBytes(24).toString("base64").replaceAll("+", ".").slice(0, 30);
  // The last of 31 characters holds four bits: with any other ending bcrypt refuses the text without hashing.
  return `${genSaltSync({ cost })}${digest}.`;
}
