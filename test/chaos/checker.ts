import type { Effect, Holdings } from "./effects.ts";
import { effectOf, expectHoldings, factsIn } from "./facts.ts";
import {
  type Fact,
  isDefinite,
  isDone,
  type ChaosReply,
  type RequestRecord,
  VANISHING,
  wasNeverTaken,
} from "./request-history.ts";

/** All that is known when a scenario is over. */
export interface Evidence {
  readonly initial: readonly Fact[];
  readonly requests: readonly RequestRecord[];
  /** Replies to messages that nobody sent. */
  readonly strangers: readonly ChaosReply[];
  readonly effects: readonly Effect[];
  readonly holdings: Holdings;
  /** How many messages each queue held after the load, and again when the workers had stopped. */
  readonly leftovers: readonly { readonly queue: string; readonly messages: number }[];
  /** Nothing happened that callers may notice. */
  readonly unnoticed: boolean;
}

/** Something that must not happen; the table counts lost and doubled ones in columns of their own. */
export interface Violation {
  readonly kind: "lost" | "doubled" | "wrong";
  readonly text: string;
  /** The requests that it is about. */
  readonly requests: readonly RequestRecord[];
}

/** What a scenario came to. */
export interface ScenarioVerdict {
  readonly violations: readonly Violation[];
  /** Requests that were begun. */
  readonly sent: number;
  readonly answered: number;
  /** Messages beyond the first one of each request. */
  readonly retried: number;
  /** Replies beyond the first one to a message. */
  readonly repeated: number;
}

/** Queues whose requests are done again whenever they come again, so that their answers may differ. */
const READS: ReadonlySet<string> = new Set(["token", "user_get", "user_all", "group_all", "group_user"]);

/** Finds every violation of "nothing is lost, nothing is done twice". */
export function check(evidence: Evidence): ScenarioVerdict {
  const { requests } = evidence;
  const violations = [
    ...checkAnswers(requests),
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

/** A request with a key is answered in the end, and each answer is the one that belongs to it. */
function* checkAnswers(requests: readonly RequestRecord[]): Generator<Violation> {
  for (const request of requests) {
    const { intent, answer, key, complaint } = request;
    if (key !== undefined && !isDefinite(request)) {
      yield { kind: "lost", text: "a request with a key was never answered", requests: [request] };
    }
    if (answer !== undefined && isDefinite(request) && answer.code !== intent.expect) {
      const text = `${answer.code} was answered where it must be ${intent.expect}`;
      yield { kind: "wrong", text, requests: [request] };
    }
    if (complaint !== undefined) yield { kind: "wrong", text: complaint, requests: [request] };
  }
}

/** All replies to one message are the same, and so are all definite ones to one key. */
function* checkReplies(requests: readonly RequestRecord[]): Generator<Violation> {
  for (const request of requests) {
    if (READS.has(request.intent.queue)) continue;
    for (const { correlationId, replies } of request.attempts) {
      if (new Set(replies.map(contentOf)).size < 2) continue;
      const text = `${replies.length} replies to ${correlationId} are not all the same`;
      yield { kind: "wrong", text, requests: [request] };
    }
    const definite = request.attempts.flatMap(({ replies }) => replies).filter(({ code }) => code !== 503);
    if (request.attempts.length > 1 && new Set(definite.map(contentOf)).size > 1) {
      yield { kind: "wrong", text: "one key got different answers", requests: [request] };
    }
  }
}

/** The reference of a 500 leads to a line in one worker's log: it is another one each time. */
function contentOf({ text }: ChaosReply): string {
  return text.replace(/"reference":"[^"]*"/, "");
}

/** Every message got one reply, and not two. */
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

/** What the database noted is what was answered: once for what was done, never for what was refused. */
function* checkEffects({ requests, effects }: Evidence): Generator<Violation> {
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
      yield { kind: "lost", text: `"${what}" was answered and did not happen`, requests: claimants };
    }
    if (count > most) {
      const text = `"${what}" happened ${count} times and may have happened ${most} times`;
      yield { kind: "doubled", text, requests: claimants };
    }
  }
  yield* checkUnclaimed(noted, claims);
}

/** Effects that no request asked for by name: of logins that were not answered, and of what a delete takes with it. */
function* checkUnclaimed(
  noted: ReadonlyMap<string, readonly Effect[]>,
  claims: ReadonlyMap<string, readonly RequestRecord[]>,
): Generator<Violation> {
  const open = new Map<string, number>();
  for (const [what, claimants] of claims) {
    if (what.endsWith("*")) open.set(what.slice(0, -1), claimants.filter(mayBeDone).length);
  }
  for (const [what, { length: count }] of noted) {
    if (claims.has(what) || isCascade(what, noted)) continue;
    const prefix = [...open.keys()].find((start) => what.startsWith(start));
    const left = prefix === undefined ? 0 : (open.get(prefix) ?? 0);
    if (prefix !== undefined) open.set(prefix, left - count);
    if (count > left) {
      const requests = prefix === undefined ? [] : (claims.get(`${prefix}*`) ?? []);
      yield {
        kind: "doubled",
        text: `"${what}" happened and no request that is left asked for it`,
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

function mayBeDone(request: RequestRecord): boolean {
  return !isDefinite(request) && request.attempts.length > 0 && !wasNeverTaken(request);
}

/** The tables hold what the answers say, and nothing else. */
function* checkHoldings({ initial, requests, holdings }: Evidence): Generator<Violation> {
  const expected = expectHoldings(initial, requests);
  const found = factsIn(holdings);
  for (const name of new Set([...expected.keys(), ...found.keys()])) {
    const value = found.get(name);
    const possible = expected.get(name) ?? new Set([undefined]);
    if (possible.has(value) || (value !== undefined && possible.has("*"))) continue;
    const wanted = Array.from(possible, (one) => one ?? "gone").join(" or ");
    yield {
      kind: value === undefined ? "lost" : "wrong",
      text: `${name} should be ${wanted} and is ${value ?? "gone"}`,
      requests: requests.filter(({ intent }) => intent.facts?.some(([fact]) => covers(fact, name)) === true),
    };
  }
  const twice = Map.groupBy(holdings.tokens, ({ username }) => username);
  for (const [username, tokens] of twice) {
    if (tokens.length > 1)
      yield { kind: "doubled", text: `${username} has ${tokens.length} sessions`, requests: [] };
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
    const text = `${username} is a member of ${groupname}, and one of them is gone`;
    yield { kind: "wrong", text, requests: [] };
  }
  for (const { username } of tokens) {
    if (!usernames.has(username))
      yield { kind: "wrong", text: `${username} is gone and has a session`, requests: [] };
  }
}

function* checkRest({ holdings, leftovers, strangers }: Evidence): Generator<Violation> {
  if (holdings.admins === 0) yield { kind: "wrong", text: "no administrator is left", requests: [] };
  for (const { queue, messages } of leftovers) {
    if (messages > 0) yield { kind: "lost", text: `${messages} messages are left in ${queue}`, requests: [] };
  }
  for (const { text } of strangers) {
    yield { kind: "wrong", text: `a reply to nobody: ${text.slice(0, 200)}`, requests: [] };
  }
}
