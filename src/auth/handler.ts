import type { UserRow } from "../db/tables.ts";
import type { CancellationCheck } from "./concurrency-limiter.ts";

/** A login attempt: the username in the request, and the account with this name, if there is one. */
export interface LoginAttempt {
  readonly username: string;
  readonly password: string;
  readonly user: UserRow | undefined;
  readonly isCancelled: CancellationCheck;
}

/** A refused login. */
export interface LoginRefusal {
  readonly ok: false;
  readonly reason: "bad-credentials";
  /** How long a remote login source took, in milliseconds, without the time for hashing. */
  readonly took?: number;
}

/** A successful login. */
export interface LoginSuccess {
  readonly ok: true;
  /** The account, after updates by the login source. */
  readonly user: UserRow;
  /** A new hash, if the stored one is outdated. */
  readonly rehashed?: Uint8Array;
  /** The reply token for a Kerberos ticket, which authenticates the service to the client. */
  readonly ticket?: string;
}

/** The result of a login source. */
export type LoginVerdict = LoginSuccess | LoginRefusal;

/**
 * Checks a login at its source; throws only if the source cannot decide. Each refusal costs one password comparison, so
 * that its time does not reveal the reason.
 */
export type LoginHandler = (attempt: LoginAttempt) => Promise<LoginVerdict>;

/** Logs in the user of a Kerberos ticket; `username`, if given, must be the same user. */
export type TicketLogin = (credentials: {
  readonly username: string | undefined;
  readonly ticket: string;
}) => Promise<LoginVerdict>;
