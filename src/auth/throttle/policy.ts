import type { LoginThrottle } from "../../config/sections/app.ts";

/** A pending attempt expires after this many milliseconds: requests end earlier, so its worker has died. */
const PENDING_FOR = 10_000;

/** A client is known for this long after a successful login; the latest 20 clients of an account are kept. */
const KNOWN_FOR = 30 * 86_400_000;
const MAX_KNOWN = 20;

/** An attempt is far from a limit below a quarter of it, so four replicas may each admit that many at once. */
const FAR_FROM_LIMIT = 4;

/** A success of a known client is recorded again after this many milliseconds. */
const REFRESH_SUCCESS_AFTER = 86_400_000;

/** The latest clients of an account that are kept: the database column has a maximum length. */
const MAX_CLIENTS = 400;

/** Failures of one client count for the account up to this multiple of free_failures: one client cannot lock it. */
const MAX_SHARE = 2;

/** The logins of a client at one account. All times in milliseconds since 1970. */
export interface ClientRecord {
  readonly id: string;
  readonly failures: number;
  /** The time of the last failure. */
  readonly failedAt: number;
  /** The start times of attempts without an outcome yet. */
  readonly pending: readonly number[];
  /** The time of the last success; 0 for none. */
  readonly succeededAt: number;
}

/** Whether an attempt may start now ("admitted"), after running attempts ("busy") or after a time ("refused"). */
export type Admission =
  | {
      readonly verdict: "admitted";
      readonly clients: readonly ClientRecord[];
      /** Whether there were so few attempts that this one need not be recorded before its outcome. */
      readonly isFarFromLimit: boolean;
      /** Whether a success need not be recorded, because a recent one is. */
      readonly isWellKnown: boolean;
    }
  | { readonly verdict: "busy" }
  | { readonly verdict: "refused"; readonly until: number };

/** The outcome of an attempt; "undecided" ones do not count. */
export type AttemptOutcome = "succeeded" | "failed" | "undecided";

/** Running attempts that are not recorded as pending: of the client, and of the account including this client. */
export interface UnrecordedAttempts {
  readonly own: number;
  readonly all: number;
}

/** Whether an attempt of a client may start now; if admitted, with the updated clients of the account. */
export function admit(
  clients: readonly ClientRecord[],
  id: string,
  now: number,
  limits: LoginThrottle,
  unrecorded: UnrecordedAttempts = { own: 0, all: 0 },
): Admission {
  const current = withoutExpired(clients, now, limits);
  const stored = find(current, id);
  const own = { ...stored, pending: [...stored.pending, ...new Array<number>(unrecorded.own).fill(now)] };
  const sums = total(current, limits);
  const all = { ...sums, pending: sums.pending + unrecorded.all };
  const checks = [checkLimit({ ...own, pending: own.pending.length }, limits.free_failures, limits)];
  // Guesses from many clients must not lock out the user's known clients (SP 800-63B-4, 3.2.2).
  if (own.succeededAt === 0) {
    checks.push(checkLimit(all, limits.free_failures_per_account, limits));
    if (all.failures >= limits.max_failures) checks.push({ until: all.forgottenAt, isFull: true });
  }
  const until = Math.max(...checks.map((one) => one.until));
  if (until > now) return { verdict: "refused", until };
  if (checks.some(({ isFull }) => isFull)) return { verdict: "busy" };
  return {
    verdict: "admitted",
    clients: replaced(current, { ...stored, pending: [...stored.pending, now] }),
    isFarFromLimit:
      own.failures + own.pending.length < limits.free_failures / FAR_FROM_LIMIT &&
      all.failures + all.pending < limits.free_failures_per_account / FAR_FROM_LIMIT,
    isWellKnown: own.failures === 0 && own.succeededAt > now - REFRESH_SUCCESS_AFTER,
  };
}

/** The account's clients after the outcome of the attempt that started at `began`. */
export function settle(
  clients: readonly ClientRecord[],
  id: string,
  { began, outcome }: { readonly began: number; readonly outcome: AttemptOutcome },
  now: number,
  limits: LoginThrottle,
): ClientRecord[] {
  const current = withoutExpired(clients, now, limits);
  const own = find(current, id);
  const index = own.pending.indexOf(began);
  const decided = { ...own, pending: own.pending.filter((_, place) => place !== index) };
  const changed: Record<AttemptOutcome, ClientRecord> = {
    undecided: decided,
    failed: { ...decided, failures: own.failures + 1, failedAt: now },
    succeeded: { ...decided, failures: 0, failedAt: 0, succeededAt: now },
  };
  return withoutExpired(replaced(current, changed[outcome]), now, limits);
}

/** The account's clients without their failures. */
export function withoutFailures(clients: readonly ClientRecord[]): ClientRecord[] {
  return clients
    .filter(({ succeededAt }) => succeededAt > 0)
    .map((client) => ({ ...client, failures: 0, failedAt: 0, pending: [] }));
}

/** When all entries of the record will have expired. */
export function recordExpiry(clients: readonly ClientRecord[], now: number, limits: LoginThrottle): number {
  return Math.max(
    now + PENDING_FOR,
    ...clients.map(({ failures, failedAt }) => (failures > 0 ? failedAt + forgetAfter(limits) : 0)),
    ...clients.map(({ succeededAt }) => (succeededAt > 0 ? succeededAt + KNOWN_FOR : 0)),
  );
}

/** Whether the latest failure has reached a lockout threshold. */
export function reachesThreshold(
  clients: readonly ClientRecord[],
  id: string,
  limits: LoginThrottle,
): boolean {
  return (
    find(clients, id).failures === limits.free_failures ||
    total(clients, limits).failures === limits.free_failures_per_account
  );
}

interface Tally {
  readonly failures: number;
  readonly pending: number;
  readonly failedAt: number;
}

/** When the next attempt may start after these failures, and whether it must wait for running attempts. */
function checkLimit(
  { failures, pending, failedAt }: Tally,
  free: number,
  { max_delay_seconds: longest }: LoginThrottle,
): { readonly until: number; readonly isFull: boolean } {
  const excess = failures - free;
  const until = excess < 0 ? 0 : failedAt + 1000 * Math.min(longest, 2 ** excess);
  // Above the lockout threshold, allow only one attempt at a time.
  return { until, isFull: failures + pending >= Math.max(free, failures + 1) };
}

function total(
  clients: readonly ClientRecord[],
  limits: LoginThrottle,
): Tally & { readonly forgottenAt: number } {
  const failing = clients.filter(({ failures }) => failures > 0);
  return {
    failures: failing.reduce(
      (sum, { failures }) => sum + Math.min(failures, MAX_SHARE * limits.free_failures),
      0,
    ),
    pending: clients.reduce((sum, { pending }) => sum + pending.length, 0),
    failedAt: Math.max(0, ...failing.map(({ failedAt }) => failedAt)),
    forgottenAt: Math.min(...failing.map(({ failedAt }) => failedAt)) + forgetAfter(limits),
  };
}

/** Removes forgotten failures, pending attempts that never ended, and clients that are no longer known. */
function withoutExpired(
  clients: readonly ClientRecord[],
  now: number,
  limits: LoginThrottle,
): ClientRecord[] {
  const current = clients.map((client) => ({
    ...client,
    failures: client.failedAt + forgetAfter(limits) > now ? client.failures : 0,
    pending: client.pending.filter((began) => began + PENDING_FOR > now),
    succeededAt: client.succeededAt + KNOWN_FOR > now ? client.succeededAt : 0,
  }));
  const known = current.map(({ succeededAt }) => succeededAt).sort((a, b) => b - a);
  const oldest = known[MAX_KNOWN - 1] ?? 0;
  const relevant = current
    .map((client) => (client.succeededAt < oldest ? { ...client, succeededAt: 0 } : client))
    .filter(({ failures, pending, succeededAt }) => failures > 0 || pending.length > 0 || succeededAt > 0);
  return relevant.length <= MAX_CLIENTS ? relevant : latest(relevant);
}

function latest(clients: readonly ClientRecord[]): ClientRecord[] {
  const rank = ({ failedAt, pending, succeededAt }: ClientRecord): number =>
    succeededAt > 0 ? Number.POSITIVE_INFINITY : Math.max(failedAt, ...pending);
  return clients
    .map((client) => ({ client, rank: rank(client) }))
    .sort((a, b) => b.rank - a.rank)
    .slice(0, MAX_CLIENTS)
    .map(({ client }) => client);
}

function forgetAfter({ forget_minutes }: LoginThrottle): number {
  return forget_minutes * 60_000;
}

function find(clients: readonly ClientRecord[], id: string): ClientRecord {
  return (
    clients.find((client) => client.id === id) ?? {
      id,
      failures: 0,
      failedAt: 0,
      pending: [],
      succeededAt: 0,
    }
  );
}

function replaced(clients: readonly ClientRecord[], client: ClientRecord): ClientRecord[] {
  return [...clients.filter(({ id }) => id !== client.id), client];
}
