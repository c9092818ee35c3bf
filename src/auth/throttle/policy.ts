import type { LoginThrottle } from "../../config/sections/app.ts";

/** An attempt whose outcome nobody wrote down within so many milliseconds had none: requests end before. */
const PENDING_FOR = 10_000;

/** So long a source is known for a login, and so many of them are, the latest ones. */
const KNOWN_FOR = 30 * 86_400_000;
const MOST_KNOWN = 20;

/** Attempts are far from a limit in its first quarter: as many replicas as four may each have so many at once. */
const FAR = 4;

/** A success is noted again when the last one is so old, in milliseconds. */
const KNOWN_ANEW = 86_400_000;

/** So many sources of an account are kept at most, the latest ones: a column has an end, whatever is configured. */
const MOST_SOURCES = 400;

/** A source counts for the account up to so many times its own free failures: a single one cannot use the account's up. */
const SHARE = 2;

/** Where attempts at an account come from. All times in milliseconds since 1970. */
export interface ClientRecord {
  readonly id: string;
  readonly failures: number;
  /** Of the last failure. */
  readonly failedAt: number;
  /** The beginnings of attempts that are not decided yet. */
  readonly pending: readonly number[];
  /** Of the last success; 0 for none. */
  readonly succeededAt: number;
}

/** Whether an attempt may begin: admitted, not while others are decided, or not before a time. */
export type Admission =
  | {
      readonly verdict: "admitted";
      readonly sources: readonly ClientRecord[];
      /** Whether so few attempts were made that this one need not be written down before it is looked at. */
      readonly isFarFromLimit: boolean;
      /** Whether a success would change nothing that is known of the source. */
      readonly isWellKnown: boolean;
    }
  | { readonly verdict: "busy" }
  | { readonly verdict: "refused"; readonly until: number };

/** What became of an attempt: undecided ones count for nothing. */
export type AttemptOutcome = "succeeded" | "failed" | "undecided";

/** Attempts that run already without being among the pending ones: of the source, and of the account with it. */
export interface Unwritten {
  readonly own: number;
  readonly all: number;
}

/** Whether an attempt from a source may begin now, and the account's sources when it does. */
export function admit(
  sources: readonly ClientRecord[],
  id: string,
  now: number,
  limits: LoginThrottle,
  unwritten: Unwritten = { own: 0, all: 0 },
): Admission {
  const current = cleared(sources, now, limits);
  const stored = find(current, id);
  const own = { ...stored, pending: [...stored.pending, ...new Array<number>(unwritten.own).fill(now)] };
  const sums = total(current, limits);
  const all = { ...sums, pending: sums.pending + unwritten.all };
  const checks = [checkLimit({ ...own, pending: own.pending.length }, limits.free_failures, limits)];
  // Who guesses from everywhere must not keep the user out where it is at home (SP 800-63B-4, 3.2.2).
  if (own.succeededAt === 0) {
    checks.push(checkLimit(all, limits.free_failures_per_account, limits));
    if (all.failures >= limits.max_failures) checks.push({ until: all.forgottenAt, isFull: true });
  }
  const until = Math.max(...checks.map((one) => one.until));
  if (until > now) return { verdict: "refused", until };
  if (checks.some(({ isFull }) => isFull)) return { verdict: "busy" };
  return {
    verdict: "admitted",
    sources: replaced(current, { ...stored, pending: [...stored.pending, now] }),
    isFarFromLimit:
      own.failures + own.pending.length < limits.free_failures / FAR &&
      all.failures + all.pending < limits.free_failures_per_account / FAR,
    isWellKnown: own.failures === 0 && own.succeededAt > now - KNOWN_ANEW,
  };
}

/** The account's sources after an attempt that began at `began`. */
export function settle(
  sources: readonly ClientRecord[],
  id: string,
  { began, outcome }: { readonly began: number; readonly outcome: AttemptOutcome },
  now: number,
  limits: LoginThrottle,
): ClientRecord[] {
  const current = cleared(sources, now, limits);
  const own = find(current, id);
  const index = own.pending.indexOf(began);
  const decided = { ...own, pending: own.pending.filter((_, place) => place !== index) };
  const changed: Record<AttemptOutcome, ClientRecord> = {
    undecided: decided,
    failed: { ...decided, failures: own.failures + 1, failedAt: now },
    succeeded: { ...decided, failures: 0, failedAt: 0, succeededAt: now },
  };
  return cleared(replaced(current, changed[outcome]), now, limits);
}

/** The account's sources without their failures. */
export function unlocked(sources: readonly ClientRecord[]): ClientRecord[] {
  return sources
    .filter(({ succeededAt }) => succeededAt > 0)
    .map((source) => ({ ...source, failures: 0, failedAt: 0, pending: [] }));
}

/** When nothing of this will matter any more. */
export function recordExpiry(sources: readonly ClientRecord[], now: number, limits: LoginThrottle): number {
  return Math.max(
    now + PENDING_FOR,
    ...sources.map(({ failures, failedAt }) => (failures > 0 ? failedAt + forgetting(limits) : 0)),
    ...sources.map(({ succeededAt }) => (succeededAt > 0 ? succeededAt + KNOWN_FOR : 0)),
  );
}

/** Whether the failure that was counted last is the one after which attempts begin to wait. */
export function beginsToWait(sources: readonly ClientRecord[], id: string, limits: LoginThrottle): boolean {
  return (
    find(sources, id).failures === limits.free_failures ||
    total(sources, limits).failures === limits.free_failures_per_account
  );
}

interface Tally {
  readonly failures: number;
  readonly pending: number;
  readonly failedAt: number;
}

/** When the next attempt may begin after these failures, and whether those that run forbid one until they are decided. */
function checkLimit(
  { failures, pending, failedAt }: Tally,
  free: number,
  { max_delay_seconds: longest }: LoginThrottle,
): { readonly until: number; readonly isFull: boolean } {
  const excess = failures - free;
  const until = excess < 0 ? 0 : failedAt + 1000 * Math.min(longest, 2 ** excess);
  // Past its free failures an account is tried once at a time.
  return { until, isFull: failures + pending >= Math.max(free, failures + 1) };
}

function total(
  sources: readonly ClientRecord[],
  limits: LoginThrottle,
): Tally & { readonly forgottenAt: number } {
  const failing = sources.filter(({ failures }) => failures > 0);
  return {
    failures: failing.reduce(
      (sum, { failures }) => sum + Math.min(failures, SHARE * limits.free_failures),
      0,
    ),
    pending: sources.reduce((sum, { pending }) => sum + pending.length, 0),
    failedAt: Math.max(0, ...failing.map(({ failedAt }) => failedAt)),
    forgottenAt: Math.min(...failing.map(({ failedAt }) => failedAt)) + forgetting(limits),
  };
}

/** Without what is over: failures that are forgotten, attempts that were never decided, sources of long ago. */
function cleared(sources: readonly ClientRecord[], now: number, limits: LoginThrottle): ClientRecord[] {
  const current = sources.map((source) => ({
    ...source,
    failures: source.failedAt + forgetting(limits) > now ? source.failures : 0,
    pending: source.pending.filter((began) => began + PENDING_FOR > now),
    succeededAt: source.succeededAt + KNOWN_FOR > now ? source.succeededAt : 0,
  }));
  const known = current.map(({ succeededAt }) => succeededAt).sort((a, b) => b - a);
  const oldest = known[MOST_KNOWN - 1] ?? 0;
  const relevant = current
    .map((source) => (source.succeededAt < oldest ? { ...source, succeededAt: 0 } : source))
    .filter(({ failures, pending, succeededAt }) => failures > 0 || pending.length > 0 || succeededAt > 0);
  return relevant.length <= MOST_SOURCES ? relevant : latest(relevant);
}

function latest(sources: readonly ClientRecord[]): ClientRecord[] {
  const rank = ({ failedAt, pending, succeededAt }: ClientRecord): number =>
    succeededAt > 0 ? Number.POSITIVE_INFINITY : Math.max(failedAt, ...pending);
  return sources
    .map((source) => ({ source, rank: rank(source) }))
    .sort((a, b) => b.rank - a.rank)
    .slice(0, MOST_SOURCES)
    .map(({ source }) => source);
}

function forgetting({ forget_minutes }: LoginThrottle): number {
  return forget_minutes * 60_000;
}

function find(sources: readonly ClientRecord[], id: string): ClientRecord {
  return (
    sources.find((source) => source.id === id) ?? {
      id,
      failures: 0,
      failedAt: 0,
      pending: [],
      succeededAt: 0,
    }
  );
}

function replaced(sources: readonly ClientRecord[], source: ClientRecord): ClientRecord[] {
  return [...sources.filter(({ id }) => id !== source.id), source];
}
