import type { Holdings } from "./effects.ts";
import { type Fact, isDefinite, isDone, type RequestRecord, wasNeverDelivered } from "./request-history.ts";

/** The possible final values of each fact, given the requests and replies; undefined means absent. */
export type Expectations = ReadonlyMap<string, ReadonlySet<string | undefined>>;

/**
 * The possible final content of the database. A successful request determines its facts; a request without a final
 * reply adds possible values, because it may be processed at any later time.
 */
export function expectHoldings(initial: readonly Fact[], requests: readonly RequestRecord[]): Expectations {
  const certain = new Map<string, string | undefined>(initial);
  const possible = new Map<string, Set<string | undefined>>();
  for (const request of requests) {
    if (isDefinite(request) && !isDone(request)) continue;
    for (const [pattern, value] of factsOf(request)) {
      for (const name of matching(pattern, certain)) {
        if (isDone(request)) certain.set(name, value);
        else if (!wasNeverDelivered(request))
          possible.set(name, (possible.get(name) ?? new Set()).add(value));
        if (!certain.has(name)) certain.set(name, undefined);
      }
    }
  }
  return new Map(
    Array.from(certain, ([name, value]) => [name, new Set([value, ...(possible.get(name) ?? [])])]),
  );
}

/** The content of the database as facts, except sessions: see sessions.ts. */
export function factsIn({ users, groups, memberships }: Holdings): ReadonlyMap<string, string> {
  return new Map([
    ...users.map(({ username, email }) => [`user ${username}`, email] as const),
    ...groups.map((name) => [`group ${name}`, "exists"] as const),
    ...memberships.map(({ username, groupname }) => [`member ${username} ${groupname}`, "exists"] as const),
  ]);
}

/** The effect of a request, completed from its reply; a `*` stays if there was no reply. */
export function effectOf({ intent, result }: RequestRecord): string | undefined {
  return result !== undefined && result.code < 300 ? fill(intent.effect, intent, result.data) : intent.effect;
}

function factsOf({ intent }: RequestRecord): readonly Fact[] {
  return intent.facts ?? [];
}

function fill(
  text: string | undefined,
  { reveal }: RequestRecord["intent"],
  data: Readonly<Record<string, unknown>>,
): string | undefined {
  return reveal === undefined ? text : text?.replace("*", reveal(data));
}

/** The known names that match a pattern with a `*`; any other name matches itself. */
function matching(pattern: string, known: ReadonlyMap<string, unknown>): string[] {
  if (!pattern.includes("*")) return [pattern];
  const [before = "", after = ""] = pattern.split("*");
  return [...known.keys()].filter(
    (name) =>
      name.startsWith(before) && name.endsWith(after) && name.length > before.length + after.length - 1,
  );
}
