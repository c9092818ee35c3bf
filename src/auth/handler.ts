import type { UserRow } from "../db/tables.ts";
import type { CancellationCheck } from "./concurrency-limiter.ts";

/** One attempt to log in: the name as it was given, and the row that has this name, if there is one. */
export interface LoginAttempt {
  readonly username: string;
  readonly password: string;
  readonly user: UserRow | undefined;
  readonly isCancelled: CancellationCheck;
}

/** Nobody logged in. */
export interface LoginRefusal {
  readonly ok: false;
  readonly reason: "bad-credentials";
  /** How long a source outside of this process took to say so, in milliseconds; the time of hashing is not in it. */
  readonly took?: number;
}

/** Somebody logged in. */
export interface LoginSuccess {
  readonly ok: true;
  /** The row as the source left it. */
  readonly user: UserRow;
  /** A hash at the configured cost, where the stored one is cheaper. */
  readonly rehashed?: Uint8Array;
  /** The user's groups, from a source that has just set them. */
  readonly groups?: readonly string[];
  /** The answer to a ticket, which proves this service to its client. */
  readonly ticket?: string;
}

/** What a login source says; it throws only when it cannot say. */
export type LoginVerdict = LoginSuccess | LoginRefusal;

/**
 * A login source: a handler returns its verdict and throws only when its source cannot give one. Whatever it refuses,
 * it spends one comparison of a password on it.
 */
export type LoginHandler = (attempt: LoginAttempt) => Promise<LoginVerdict>;

/** Logs in whom a client's ticket names; a name that is given beside it must be the same. */
export type TicketLogin = (credentials: {
  readonly username: string | undefined;
  readonly ticket: string;
}) => Promise<LoginVerdict>;
