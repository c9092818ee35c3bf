import type { Writer } from "../accounts/writer.ts";
import type { CancellationCheck } from "../auth/concurrency-limiter.ts";
import type { Revalidate } from "../auth/ldap/revalidate.ts";
import type { LastUse } from "../auth/last-use.ts";
import type { Login } from "../auth/login.ts";
import type { Challenges } from "../auth/second-factor/challenges.ts";
import type { SecretBox } from "../auth/second-factor/secret-box.ts";
import type { NamedSession } from "../auth/session.ts";
import type { Passwords } from "../auth/password.ts";
import type { Throttle } from "../auth/throttle.ts";
import type { AppConfig } from "../config/schema.ts";
import type { Database, Reader } from "../db/database.ts";
import type { Lookups } from "../db/lookups.ts";
import type { AccountRow } from "../db/queries/accounts.ts";
import type { KeyedAccountRow } from "../db/queries/api-keys.ts";
import type { SessionRow } from "../db/queries/id-tokens.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { RequestNotes } from "../observability/request-line.ts";
import type { Fingerprints } from "../tokens/fingerprint.ts";
import type { JwkSet } from "../tokens/jwks.ts";
import type { TokenIssuer } from "../tokens/issuer.ts";
import type { Caller, SetupToken, TokenValidator } from "../tokens/validator.ts";
import type { Inbox } from "./inbox.ts";

/**
 * Authorization of a procedure. public: no token; optional: no token or a valid access token; id_token_or_api_key: an
 * ID token with an active session, or an API key; any_id_token: an unexpired ID token, even if its session has ended;
 * enrolment: the access token of a session, or a setup token that is used from its `ip` (a field of the request); user:
 * any access token; self: an administrator's access token, or that of the user that `username` names; admin: the access
 * token of an administrator.
 */
export type Access =
  | "public"
  | "optional"
  | "id_token_or_api_key"
  | "any_id_token"
  | "enrolment"
  | "user"
  | "self"
  | "admin";

/** Services for all requests; one instance per process. */
export interface Services {
  readonly app: AppConfig;
  readonly db: Database;
  readonly lookups: Lookups;
  readonly issuer: TokenIssuer;
  readonly validator: TokenValidator;
  readonly jwks: () => JwkSet;
  readonly passwords: Passwords;
  readonly login: Login;
  readonly challenges: Challenges;
  readonly throttle: Throttle;
  readonly revalidate: Revalidate;
  readonly lastUse: LastUse;
  readonly inbox: Inbox;
  readonly fingerprints: Fingerprints;
  /** Encrypts TOTP secrets, with the current keys; undefined without `encryption_keys`. */
  readonly secrets: SecretBox | undefined;
  readonly metrics: Metrics;
  /** Notifies the relay that events were committed and can be published. */
  readonly announceEvents: () => void;
  /** Whether the log may contain usernames that a pattern rejects, as it contains those that a directory rejects. */
  readonly showsNames: boolean;
}

/** A caller with an access token; of this installation, the groups are those in the database. */
export interface Authenticated extends Caller {
  readonly isAdmin: boolean;
  /** The caller's account, if its session was looked up. */
  readonly account?: AccountRow | undefined;
}

/** The services and the caller that a handler receives, as far as the procedure's access provides one. */
export interface Context<A extends Access = Access> extends Omit<Services, "db"> {
  /** Read-only: changes go through `commit` and the functions of `accounts`. */
  readonly db: Reader;
  readonly caller: CallerOf<A>;
  readonly session: SessionOf<A>;
  readonly apiKey: ApiKeyOf<A>;
  /**
   * The setup token of the request, instead of a caller. Only its signature, lifetime and address were checked: the
   * handler compares it with the account in its transaction.
   */
  readonly setup: SetupOf<A>;
  /**
   * The account that `username` names, if the access is self, or optional with a token; the caller's own if the request
   * has no `username`, or the access is enrolment. Undefined if there is none.
   */
  readonly account: AccountOf<A>;
  readonly isCancelled: CancellationCheck;
  readonly notes: RequestNotes;
  /** Runs changes in a transaction that also records the reply, so that they happen exactly once. */
  readonly commit: <T>(work: (writer: Writer) => Promise<T>) => Promise<T>;
}

type CallerOf<A extends Access> = A extends "user" | "self" | "admin"
  ? Authenticated
  : A extends "optional" | "enrolment"
    ? Authenticated | undefined
    : undefined;

type SessionOf<A extends Access> = A extends "id_token_or_api_key"
  ? SessionRow | undefined
  : A extends "any_id_token"
    ? NamedSession
    : undefined;

type ApiKeyOf<A extends Access> = A extends "id_token_or_api_key" ? KeyedAccountRow | undefined : undefined;

type SetupOf<A extends Access> = A extends "enrolment" ? SetupToken | undefined : undefined;

type AccountOf<A extends Access> = A extends "self" | "optional" | "enrolment"
  ? AccountRow | undefined
  : undefined;
