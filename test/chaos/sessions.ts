import type { Effect, Holdings } from "./effects.ts";

/** What the recorded effects say about the sessions of one user. */
export interface SessionsOfUser {
  /** The ids of the sessions that are left. */
  readonly live: ReadonlySet<string>;
  /** The ids of the sessions that a login ended, because the user had too many. */
  readonly evicted: ReadonlySet<string>;
}

/** Follows the sessions of each user through the effects, in their order. */
export function followSessions(effects: readonly Effect[], limit: number): Map<string, SessionsOfUser> {
  const users = new Map<string, { live: Set<string>; evicted: Set<string> }>();
  for (const { what } of effects) {
    const [table, event, username = "", id = ""] = what.split(" ");
    // The deletion of a user deletes its sessions; not every database records that.
    if (table === "user" && event === "delete") users.get(username)?.live.clear();
    if (table !== "token") continue;
    const user = users.get(username) ?? { live: new Set(), evicted: new Set() };
    users.set(username, user);
    if (event === "insert") user.live.add(id);
    else {
      // A login inserts its session first.
      if (user.live.size > limit) user.evicted.add(id);
      user.live.delete(id);
    }
  }
  return users;
}

/** Whether the database has exactly the sessions that the effects left, and nobody too many of them. */
export function* checkSessions(
  users: ReadonlyMap<string, SessionsOfUser>,
  tokens: Holdings["tokens"],
  limit: number,
): Generator<{ readonly kind: "lost" | "doubled" | "wrong"; readonly text: string }> {
  const stored = Map.groupBy(tokens, ({ username }) => username);
  for (const [username, { length }] of stored)
    if (length > limit) yield { kind: "doubled", text: `${username} has ${length} sessions` };
  // The administrator's session is older than the effects.
  for (const [username, { live }] of users) {
    const found = new Set(stored.get(username)?.map(({ tokenId }) => tokenId));
    for (const id of live)
      if (!found.has(id))
        yield { kind: "lost", text: `session ${id} of ${username} is absent, and nothing ended it` };
    for (const id of found)
      if (!live.has(id))
        yield { kind: "wrong", text: `session ${id} of ${username} exists, and nothing started it` };
  }
}
