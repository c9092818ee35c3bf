import type { AccessClaims } from "./claims.ts";

/** How far the clocks of workers may differ, in seconds. */
const CLOCKS = 2;

/** What is known about revoked tokens, from events, with a bound on memory. */
export class RevokedTokens {
  readonly #lifetime: number;
  readonly #maxEntries: number;
  /** When each session, API key or user was revoked, in seconds; the oldest first. */
  readonly #entries = new Map<string, number>();
  /** Tokens issued up to this second are rejected: their revocations may have been dropped. */
  #horizon = -1;

  /** Entries are kept for `lifetime` seconds: no token lives longer. */
  constructor(lifetime: number, maxEntries: number) {
    this.#lifetime = lifetime;
    this.#maxEntries = maxEntries;
  }

  /** Adds what an event revokes, if anything. */
  add(event: Readonly<Record<string, unknown>> | undefined): void {
    const key = event && revokedBy(event);
    const at = Math.floor(Date.parse(String(event?.["time"])) / 1000);
    if (key === undefined || !Number.isFinite(at)) return;
    const latest = Math.max(at, this.#entries.get(key) ?? 0); // an event may come again, later than a newer one
    this.#entries.delete(key); // moves to the end
    this.#entries.set(key, latest);
    this.#drop();
  }

  /** Whether a token is revoked. */
  has({ sub, iat, sid, api_key_id }: AccessClaims): boolean {
    if (iat <= this.#horizon) return true;
    if (sid !== undefined && this.#entries.has(`session ${sid}`)) return true;
    if (api_key_id !== undefined && this.#entries.has(`key ${api_key_id}`)) return true;
    // A later account of the same name, or an account that is active again, gets new tokens.
    return iat <= (this.#entries.get(`user ${sub}`) ?? -Infinity) + CLOCKS;
  }

  #drop(): void {
    const oldest = Date.now() / 1000 - this.#lifetime;
    for (const [key, at] of this.#entries) {
      const isExpired = at < oldest;
      if (!isExpired && this.#entries.size <= this.#maxEntries) break;
      this.#entries.delete(key);
      if (!isExpired) this.#horizon = Math.max(this.#horizon, at + CLOCKS);
    }
  }
}

/** The session, API key or user whose tokens an event revokes. */
function revokedBy({ type, subject, data }: Readonly<Record<string, unknown>>): string | undefined {
  const { sid, id, activated } = Object(data) as Readonly<Record<string, unknown>>; // any object has string keys
  if (type === "session.revoked" && typeof sid === "string") return `session ${sid}`;
  if (type === "api_key.revoked" && typeof id === "string") return `key ${id}`;
  const isUser = type === "user.deleted" || (type === "user.changed" && activated === false);
  return isUser && typeof subject === "string" ? `user ${subject}` : undefined;
}
