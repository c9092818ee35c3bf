import type { Writer } from "../accounts/writer.ts";
import type { CancellationCheck } from "../auth/concurrency-limiter.ts";
import type { Revalidate } from "../auth/ldap/revalidate.ts";
import type { LastUse } from "../auth/last-use.ts";
import type { Login } from "../auth/login.ts";
import type { NamedSession } from "../auth/session.ts";
import type { Passwords } from "../auth/password.ts";
import type { Throttle } from "../auth/throttle.ts";
import type { AppConfig } from "../config/schema.ts";
import type { Database, Reader } from "../db/database.ts";
import type { Lookups } from "../db/lookups.ts";
import type { AccountRow } from "../db/queries/accounts.ts";
import type { SessionRow } from "../db/queries/id-tokens.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { RequestNotes } from "../observability/request-line.ts";
import type { Fingerprints } from "../tokens/fingerprint.ts";
import type { JwkSet } from "../tokens/jwks.ts";
import type { TokenIssuer } from "../tokens/issuer.ts";
import type { Caller, TokenValidator } from "../tokens/validator.ts";
import type { Inbox } from "./inbox.ts";

/**
 * Who may call a procedure. public: anyone; optional: anyone, but a token that is given must be good; id_token: the
 * holder of an ID token whose session is alive; any_id_token: the holder of an unexpired ID token, even if its session
 * has ended; user: any access token; self: an admin, or the user that `username` names; admin: an access token that
 * lists the admin group.
 */
export type Access = "public" | "optional" | "id_token" | "any_id_token" | "user" | "self" | "admin";

/** What every request may use; one for the whole process. */
export interface Services {
  readonly app: AppConfig;
  readonly db: Database;
  readonly lookups: Lookups;
  readonly issuer: TokenIssuer;
  readonly validator: TokenValidator;
  readonly jwks: () => JwkSet;
  readonly passwords: Passwords;
  readonly login: Login;
  readonly throttle: Throttle;
  readonly revalidate: Revalidate;
  readonly lastUse: LastUse;
  readonly inbox: Inbox;
  readonly fingerprints: Fingerprints;
  readonly metrics: Metrics;
  /** Something was recorded and committed that is to be published. */
  readonly announceEvents: () => void;
  /** Whether the log may hold usernames that a pattern rejects: as it holds those that a directory refuses. */
  readonly showsNames: boolean;
}

/** A caller with an access token. */
export interface Authenticated extends Caller {
  readonly isAdmin: boolean;
}

/** What a handler gets beside its input: the services, and who calls, as far as the procedure's access says. */
export interface Context<A extends Access = Access> extends Omit<Services, "db"> {
  /** For reading: changes go through `commit` and what `accounts` offers. */
  readonly db: Reader;
  readonly caller: CallerOf<A>;
  readonly session: SessionOf<A>;
  /** The account that `username` names, where the access is self or optional with a token; undefined where there is none. */
  readonly account: AccountOf<A>;
  readonly isCancelled: CancellationCheck;
  readonly notes: RequestNotes;
  /** Runs changes that must happen once in a transaction, together with the record of the reply. */
  readonly commit: <T>(work: (writer: Writer) => Promise<T>) => Promise<T>;
}

type CallerOf<A extends Access> = A extends "user" | "self" | "admin"
  ? Authenticated
  : A extends "optional"
    ? Authenticated | undefined
    : undefined;

type SessionOf<A extends Access> = A extends "id_token"
  ? SessionRow
  : A extends "any_id_token"
    ? NamedSession
    : undefined;

type AccountOf<A extends Access> = A extends "self" | "optional" ? AccountRow | undefined : undefined;
