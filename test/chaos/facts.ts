import type { Holdings } from "./effects.ts";
import { type Fact, isDefinite, isDone, type RequestRecord, wasNeverTaken } from "./request-history.ts";

/** Which values are possible at the end for each name, by what was asked for and answered; undefined means gone. */
export type Expectations = ReadonlyMap<string, ReadonlySet<string | undefined>>;

/**
 * What the database may hold at the end. A request that is known to have been done fixes its facts; one of which nobody
 * knows adds a possibility that stays, because it may have been done at any later time.
 */
export function expectHoldings(initial: readonly Fact[], requests: readonly RequestRecord[]): Expectations {
  const certain = new Map<string, string | undefined>(initial);
  const possible = new Map<string, Set<string | undefined>>();
  for (const request of requests) {
    if (isDefinite(request) && !isDone(request)) continue;
    for (const [pattern, value] of factsOf(request)) {
      for (const name of matching(pattern, certain)) {
        if (isDone(request)) certain.set(name, value);
        else if (!wasNeverTaken(request)) possible.set(name, (possible.get(name) ?? new Set()).add(value));
        if (!certain.has(name)) certain.set(name, undefined);
      }
    }
  }
  return new Map(
    Array.from(certain, ([name, value]) => [name, new Set([value, ...(possible.get(name) ?? [])])]),
  );
}

/** What the database holds, by the same names. */
export function factsIn({ users, groups, memberships, tokens }: Holdings): ReadonlyMap<string, string> {
  return new Map([
    ...users.map(({ username, email }) => [`user ${username}`, email] as const),
    ...groups.map((name) => [`group ${name}`, "there"] as const),
    ...memberships.map(({ username, groupname }) => [`member ${username} ${groupname}`, "there"] as const),
    ...tokens.map(({ username, tokenId }) => [`token ${username}`, tokenId] as const),
  ]);
}

/** The effect of a request with what its answer reveals; a `*` stays where there was no answer. */
export function effectOf({ intent, answer }: RequestRecord): string | undefined {
  return answer !== undefined && answer.code < 300 ? fill(intent.effect, intent, answer.data) : intent.effect;
}

function factsOf({ intent, answer }: RequestRecord): Fact[] {
  const facts = intent.facts ?? [];
  if (answer === undefined || answer.code >= 300) return [...facts];
  return facts.map(([name, value]) => [name, fill(value, intent, answer.data)]);
}

function fill(
  text: string | undefined,
  { reveal }: RequestRecord["intent"],
  data: Readonly<Record<string, unknown>>,
): string | undefined {
  return reveal === undefined ? text : text?.replace("*", reveal(data));
}

/** The names that a pattern with a `*` means among those that are known; any other name means itself. */
function matching(pattern: string, known: ReadonlyMap<string, unknown>): string[] {
  if (!pattern.includes("*")) return [pattern];
  const [before = "", after = ""] = pattern.split("*");
  return [...known.keys()].filter(
    (name) =>
      name.startsWith(before) && name.endsWith(after) && name.length > before.length + after.length - 1,
  );
}
