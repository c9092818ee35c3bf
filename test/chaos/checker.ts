import type { Effect, Holdings } from "./effects.ts";
import { effectOf, expectHoldings, factsIn } from "./facts.ts";
import { checkSessions, followSessions, type SessionsOfUser } from "./sessions.ts";
import {
  type Fact,
  isDefinite,
  isDone,
  type ChaosReply,
  type RequestRecord,
  VANISHING,
  wasNeverDelivered,
} from "./request-history.ts";

/** Everything known at the end of a scenario. */
export interface Evidence {
  readonly initial: readonly Fact[];
  readonly requests: readonly RequestRecord[];
  /** Replies to messages that no caller sent. */
  readonly unsolicited: readonly ChaosReply[];
  readonly effects: readonly Effect[];
  readonly holdings: Holdings;
  /** Number of messages in each queue after the workers stopped. */
  readonly leftovers: readonly { readonly queue: string; readonly messages: number }[];
  /** Whether callers must not notice the fault. */
  readonly unnoticed: boolean;
  /** How many sessions a user may have: `sessions_per_user`. */
  readonly sessionLimit: number;
}

/** A violation; the table has separate columns for lost and doubled ones. */
export interface Violation {
  readonly kind: "lost" | "doubled" | "wrong";
  readonly text: string;
  /** The requests that it concerns. */
  readonly requests: readonly RequestRecord[];
}

/** The result of a check. */
export interface CheckResult {
  readonly violations: readonly Violation[];
  /** Number of requests. */
  readonly sent: number;
  readonly answered: number;
  /** Messages beyond the first one of each request. */
  readonly retried: number;
  /** Replies beyond the first one to a message. */
  readonly repeated: number;
}

/** Queues that process a retry again, so that replies with the same key may differ. */
const READS: ReadonlySet<string> = new Set(["token", "user_get", "user_all", "group_all", "group_user"]);

/** Finds every lost or duplicate effect, and every wrong reply. */
export function check(evidence: Evidence): CheckResult {
  const { requests } = evidence;
  const violations = [
    ...checkResults(requests),
    ...checkReplies(requests),
    ...(evidence.unnoticed ? checkEachMessage(requests) : []),
    ...checkEffects(evidence),
    ...checkHoldings(evidence),
    ...checkOrphans(evidence.holdings),
    ...checkRest(evidence),
  ];
  const attempts = requests.flatMap((request) => request.attempts);
  return {
    violations,
    sent: requests.length,
    answered: requests.filter(isDefinite).length,
    retried: attempts.length - requests.filter((request) => request.attempts.length > 0).length,
    repeated: attempts.reduce((sum, { replies }) => sum + Math.max(0, replies.length - 1), 0),
  };
}

/** Every request with a key gets a final reply, and every reply has the expected code and data. */
function* checkResults(requests: readonly RequestRecord[]): Generator<Violation> {
  for (const request of requests) {
    const { intent, result, key, dataError } = request;
    if (key !== undefined && !isDefinite(request)) {
      yield { kind: "lost", text: "a request with a key never got a final reply", requests: [request] };
    }
    if (result !== undefined && isDefinite(request) && result.code !== intent.expect) {
      const text = `the reply was ${result.code}, expected ${intent.expect}`;
      yield { kind: "wrong", text, requests: [request] };
    }
    if (dataError !== undefined) yield { kind: "wrong", text: dataError, requests: [request] };
  }
}

/** All replies to one message are equal, and so are all final replies with one key. */
function* checkReplies(requests: readonly RequestRecord[]): Generator<Violation> {
  for (const request of requests) {
    if (READS.has(request.intent.queue)) continue;
    for (const { correlationId, replies } of request.attempts) {
      if (new Set(replies.map(contentOf)).size < 2) continue;
      const text = `${replies.length} replies to ${correlationId} differ`;
      yield { kind: "wrong", text, requests: [request] };
    }
    const definite = request.attempts.flatMap(({ replies }) => replies).filter(({ code }) => code !== 503);
    if (request.attempts.length > 1 && new Set(definite.map(contentOf)).size > 1) {
      yield { kind: "wrong", text: "replies with the same key differ", requests: [request] };
    }
  }
}

/** Ignores the reference of a 500, which differs each time because it names a log line of one worker. */
function contentOf({ text }: ChaosReply): string {
  return text.replace(/"reference":"[^"]*"/, "");
}

/** Every message gets exactly one reply. */
function* checkEachMessage(requests: readonly RequestRecord[]): Generator<Violation> {
  for (const request of requests) {
    if (request.caller === VANISHING) continue;
    for (const { correlationId, replies } of request.attempts) {
      if (replies.length === 1) continue;
      const kind = replies.length === 0 ? "lost" : "wrong";
      yield { kind, text: `${replies.length} replies to ${correlationId}`, requests: [request] };
    }
  }
}

/** Effects in the database match the replies: one for each success, none for each rejection. */
function* checkEffects({ requests, effects, holdings, sessionLimit }: Evidence): Generator<Violation> {
  const noted = Map.groupBy(effects, ({ what }) => what);
  const claims = Map.groupBy(
    requests.filter(({ intent }) => intent.effect !== undefined),
    (request) => effectOf(request) ?? "",
  );
  for (const [what, claimants] of claims) {
    if (what.endsWith("*")) continue;
    const count = noted.get(what)?.length ?? 0;
    const least = claimants.filter(isDone).length;
    const most = claimants.filter((one) => isDone(one) || mayBeDone(one)).length;
    if (count < least) {
      yield { kind: "lost", text: `"${what}" was confirmed and did not happen`, requests: claimants };
    }
    if (count > most) {
      const text = `"${what}" happened ${count} times, at most ${most} were expected`;
      yield { kind: "doubled", text, requests: claimants };
    }
  }
  const sessions = followSessions(effects, sessionLimit);
  yield* checkUnclaimed(noted, claims, sessions);
  for (const found of checkSessions(sessions, holdings.tokens, sessionLimit))
    yield { ...found, requests: [] };
}

/** Effects without a request by that name: of logins without a reply, evictions of sessions, and cascading deletes. */
function* checkUnclaimed(
  noted: ReadonlyMap<string, readonly Effect[]>,
  claims: ReadonlyMap<string, readonly RequestRecord[]>,
  sessions: ReadonlyMap<string, SessionsOfUser>,
): Generator<Violation> {
  const open = new Map<string, number>();
  for (const [what, claimants] of claims) {
    if (what.endsWith("*")) open.set(what.slice(0, -1), claimants.filter(mayBeDone).length);
  }
  for (const [what, { length: count }] of noted) {
    if (claims.has(what) || isCascade(what, noted) || isEviction(what, sessions)) continue;
    const prefix = [...open.keys()].find((start) => what.startsWith(start));
    const left = prefix === undefined ? 0 : (open.get(prefix) ?? 0);
    if (prefix !== undefined) open.set(prefix, left - count);
    if (count > left) {
      const requests = prefix === undefined ? [] : (claims.get(`${prefix}*`) ?? []);
      yield {
        kind: "doubled",
        text: `"${what}" happened without a request for it`,
        requests,
      };
    }
  }
}

function isCascade(what: string, noted: ReadonlyMap<string, unknown>): boolean {
  const [table, event, first = "", second = ""] = what.split(" ");
  if (event !== "delete") return false;
  const withUser = noted.has(`user delete ${first}`);
  return table === "token"
    ? withUser
    : table === "usergroup" && (withUser || noted.has(`group delete ${second}`));
}

function isEviction(what: string, sessions: ReadonlyMap<string, SessionsOfUser>): boolean {
  const [table, event, username = "", id = ""] = what.split(" ");
  return table === "token" && event === "delete" && sessions.get(username)?.evicted.has(id) === true;
}

function mayBeDone(request: RequestRecord): boolean {
  return !isDefinite(request) && request.attempts.length > 0 && !wasNeverDelivered(request);
}

/** The tables contain exactly what the replies say. */
function* checkHoldings({ initial, requests, holdings }: Evidence): Generator<Violation> {
  const expected = expectHoldings(initial, requests);
  const found = factsIn(holdings);
  for (const name of new Set([...expected.keys(), ...found.keys()])) {
    const value = found.get(name);
    const possible = expected.get(name) ?? new Set([undefined]);
    if (possible.has(value) || (value !== undefined && possible.has("*"))) continue;
    const allowed = Array.from(possible, (one) => one ?? "absent").join(" or ");
    yield {
      kind: value === undefined ? "lost" : "wrong",
      text: `${name} should be ${allowed} and is ${value ?? "absent"}`,
      requests: requests.filter(({ intent }) => intent.facts?.some(([fact]) => covers(fact, name)) === true),
    };
  }
}

function covers(fact: string, name: string): boolean {
  const [before = "", after] = fact.split("*");
  return after === undefined ? fact === name : name.startsWith(before) && name.endsWith(after);
}

function* checkOrphans({ users, groups, memberships, tokens }: Holdings): Generator<Violation> {
  const usernames = new Set(users.map(({ username }) => username));
  const names = new Set(groups);
  for (const { username, groupname } of memberships) {
    if (usernames.has(username) && names.has(groupname)) continue;
    const text = `${username} is a member of ${groupname}, and one of them is absent`;
    yield { kind: "wrong", text, requests: [] };
  }
  for (const { username } of tokens) {
    if (!usernames.has(username))
      yield { kind: "wrong", text: `${username} is absent and has a session`, requests: [] };
  }
}

function* checkRest({ holdings, leftovers, unsolicited }: Evidence): Generator<Violation> {
  if (holdings.admins === 0) yield { kind: "wrong", text: "there is no administrator", requests: [] };
  for (const { queue, messages } of leftovers) {
    if (messages > 0) yield { kind: "lost", text: `${messages} messages are left in ${queue}`, requests: [] };
  }
  for (const { text } of unsolicited) {
    yield { kind: "wrong", text: `an unsolicited reply: ${text.slice(0, 200)}`, requests: [] };
  }
}
