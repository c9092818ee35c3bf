import { availableParallelism } from "node:os";
import { threadPoolSize } from "../config/process-environment.ts";
import type { AppConfig } from "../config/schema.ts";
import type { Metrics } from "../observability/metrics.ts";
import { annotate, traced } from "../observability/tracing.ts";
import { createConcurrencyLimiter, type CancellationCheck } from "./concurrency-limiter.ts";
import { argon2id } from "./password/argon2id.ts";
import { bcrypt } from "./password/bcrypt.ts";
import { formsOf, preparePassword } from "./password/prepare.ts";

/** bcrypt ignores all further bytes, and all bytes after a NUL. */
const MAX_BYTES = 72;

/** Whether bcrypt reads every byte of a password: at most 72 in UTF-8, none of them NUL. */
export function isHashable(password: string): boolean {
  return Buffer.byteLength(password) <= MAX_BYTES && !password.includes("\0");
}

/** The result of a comparison; "equal in another form" if the hash is of an unprepared password. */
export type Comparison = "equal" | "equal in another form" | "different";

/** Hashes and compares passwords, with a concurrency limit. */
export interface Passwords {
  /** Prepares and hashes a password as configured; the prepared password must be hashable. */
  hash(password: string, isCancelled: CancellationCheck): Promise<Uint8Array>;
  /**
   * Compares a typed password with a hash, in each form of `formsOf`. All refusals of the same password take the same
   * time, even if the hash is missing, damaged, cheaper, or costlier than allowed.
   */
  verify(password: string, stored: Uint8Array | null, isCancelled: CancellationCheck): Promise<Comparison>;
  /** Whether a hash has another algorithm than configured, or a lower cost. */
  isOutdated(stored: Uint8Array): boolean;
}

/** The settings for hashing. */
export type HashSettings = Pick<
  AppConfig,
  "password_hash" | "bcrypt_cost" | "argon2_memory_kib" | "argon2_passes"
>;

/** Creates the hashing of passwords; one concurrency limit applies to hashes and comparisons. */
export function createPasswords(settings: HashSettings, metrics?: Metrics): Passwords {
  const schemes = {
    bcrypt: bcrypt(settings.bcrypt_cost),
    argon2id: argon2id({ memory: settings.argon2_memory_kib, passes: settings.argon2_passes }),
  };
  const configured = schemes[settings.password_hash];
  // Some users may still have bcrypt hashes: the time of a refusal must not reveal which.
  const timedSchemes = configured === schemes.bcrypt ? [configured] : [configured, schemes.bcrypt];
  const limiter = createConcurrencyLimiter(hashesAtOnce(), undefined, (seconds) => {
    metrics?.observe("lane_wait_seconds", seconds, { lane: "hashing" });
    annotate("authmq.lane.wait_ms", seconds * 1000);
  });
  const timed = async <T>(operation: Promise<T>): Promise<T> => {
    const since = performance.now();
    const result = await operation;
    const ms = performance.now() - since;
    metrics?.observe("hash_duration_seconds", ms / 1000);
    annotate("authmq.hash_ms", ms);
    return result;
  };
  const check = async (password: string, stored: string): Promise<boolean> => {
    const owner = isHashable(password)
      ? Object.values(schemes).find((scheme) => scheme.owns(stored))
      : undefined;
    if (owner !== undefined && (await owner.verify(password, stored))) return true;
    for (const scheme of timedSchemes) if (scheme !== owner) await scheme.waste(password);
    return false;
  };
  const compare = async (password: string, stored: string): Promise<Comparison> => {
    for (const [index, form] of formsOf(password).entries())
      if (await check(form, stored)) return index === 0 ? "equal" : "equal in another form";
    return "different";
  };
  return {
    hash: (password, isCancelled) =>
      traced({ name: "hash password" }, () =>
        limiter.run(isCancelled, async () =>
          Buffer.from(await timed(configured.hash(preparePassword(password)))),
        ),
      ),
    verify: (password, stored, isCancelled) =>
      traced({ name: "compare password" }, () =>
        limiter.run(isCancelled, () => timed(compare(password, textOf(stored)))),
      ),
    isOutdated: (stored) => !configured.owns(textOf(stored)) || configured.isCheap(textOf(stored)),
  };
}

/** The limit of concurrent hashes: one per processor, but one thread of libuv's pool stays free for other work. */
export function hashesAtOnce(): number {
  return Math.max(1, Math.min(availableParallelism(), threadPoolSize() - 1));
}

function textOf(stored: Uint8Array | null): string {
  return stored === null ? "" : Buffer.from(stored).toString("latin1");
}
