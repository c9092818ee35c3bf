import type { ColumnType, Selectable } from "kysely";

/** How a user is authenticated. */
export type AuthType = "LOCAL" | "LDAP" | "KERBEROS" | "SERVICE";

/** All event types. */
export const EVENT_TYPES = [
  "user.created",
  "user.changed",
  "user.deleted",
  "user.verified",
  "user.verification_requested",
  "user.unlocked",
  "session.started",
  "session.revoked",
  "login.failed",
  "group.created",
  "group.deleted",
  "group.member_added",
  "group.member_removed",
  "password.reset_requested",
  "api_key.created",
  "api_key.revoked",
  "factor.added",
  "factor.removed",
  "recovery_codes.renewed",
  "recovery_code.used",
  "login.challenged",
] as const;

/** The type of an event. */
export type EventType = (typeof EVENT_TYPES)[number];

/** The purpose of a one-time token. */
export type TokenPurpose = "password_reset" | "email_verification";

/** A UTC time as both databases store it: `2026-01-31 23:59:59.123`. */
export type SqlTime = string;

/** A name folded as by `foldName`; the database generates it from the column beside it. */
type FoldedKey = ColumnType<string, never, never>;

interface UserTable {
  username: string;
  username_key: FoldedKey;
  password_hash: Uint8Array | null;
  auth_type: AuthType;
  /** Null for a directory user whose address belongs to another account, and for a service without one. */
  email: string | null;
  email_key: ColumnType<string | null, never, never>;
  /** 0 or 1. */
  activated: number;
  created_at: SqlTime;
  modified_at: SqlTime;
  /** When the user proved to receive emails at the address; null if not verified. */
  email_verified_at: SqlTime | null;
  /** The directory's stable id of the person, independent of the name; null if it was not read. */
  external_id: string | null;
  /** Null before the first login since this column exists. */
  last_login_at: ColumnType<SqlTime | null, SqlTime | null | undefined, SqlTime | null>;
}

interface TokenTable {
  /** Random, positive, up to 63 bits; MySQL returns decimal digits. */
  token_id: ColumnType<bigint | string, bigint, bigint>;
  user_id: string;
  ip: string;
  valid_until: SqlTime;
  last_use: SqlTime | null;
  /** One or two, separated by a space; the latest first. */
  sign_method: string;
  vhost: string;
  /** When a directory last confirmed the user; null if no directory was asked. */
  validated_at: SqlTime | null;
  /** The time of the login. */
  created_at: SqlTime;
  /** How the person recognizes the session, as given at the login. */
  client: string | null;
  /** How the login authenticated the user (RFC 8176), separated by spaces; null for a session from before 0029. */
  amr: ColumnType<string | null, string | null | undefined, string | null>;
}

interface ApiKeyTable {
  /** Random, positive, up to 63 bits; MySQL returns decimal digits. */
  api_key_id: ColumnType<bigint | string, bigint, bigint>;
  /** SHA-256 of the key. */
  key_hash: Uint8Array;
  user_id: string;
  name: string;
  /** JSON list; null for all groups of the account. */
  key_groups: string | null;
  vhost: string;
  created_at: SqlTime;
  /** Null if it never expires. */
  expires_at: SqlTime | null;
  last_use: SqlTime | null;
}

interface GroupTable {
  name: string;
}

interface UserGroupTable {
  username: string;
  username_key: FoldedKey;
  groupname: string;
}

/** Recorded replies of requests that had an effect; all keys and hashes are HMACs. */
interface RpcInboxTable {
  request_key: Uint8Array;
  /** Key of the first message with this request; null if it equals the request's key. */
  message_key: Uint8Array | null;
  body_hash: Uint8Array;
  queue: string;
  caller: string;
  /** 0 or 1. */
  redelivered: number;
  resp_code: number;
  /** JSON. */
  resp_data: string;
  created_at: SqlTime;
}

/** Attempts at redelivered messages that have no result yet, and parked messages. */
interface RpcAttemptTable {
  message_key: Uint8Array;
  body_hash: Uint8Array;
  queue: string;
  caller: string;
  attempts: number;
  created_at: SqlTime;
  parked_at: SqlTime | null;
}

/** Work that one replica does at a time. */
interface LeaseTable {
  name: string;
  held_until: SqlTime;
}

/** Failed logins by account name, existing or not; keys are HMACs. */
interface LoginThrottleTable {
  account_key: Uint8Array;
  /** MySQL returns it as digits. */
  version: ColumnType<number | string, number, number>;
  /** JSON. */
  sources: string;
  expires_at: SqlTime;
}

/** Events: the outbox, and the audit log. */
export interface EventTable {
  /** MySQL returns it as digits. */
  seq: ColumnType<number | string, never, never>;
  id: string;
  type: EventType;
  username: string | null;
  username_key: ColumnType<string | null, never, never>;
  actor: string | null;
  /** JSON. */
  data: string;
  created_at: SqlTime;
  published_at: SqlTime | null;
}

/** One-time tokens by their SHA-256 digests. */
interface OneTimeTokenTable {
  token_hash: Uint8Array;
  purpose: TokenPurpose;
  /** HMAC of the account name, existing or not. */
  account_key: Uint8Array;
  username: string | null;
  email: string | null;
  expires_at: SqlTime;
}

/** What an account can prove a login with, besides its password. */
export type FactorType = "totp" | "passkey" | "recovery_codes";

interface FactorTable {
  /** Random, positive, up to 63 bits; MySQL returns decimal digits. */
  factor_id: ColumnType<bigint | string, bigint, never>;
  user_id: string;
  type: FactorType;
  name: string;
  created_at: SqlTime;
  /** Null for a TOTP whose enrolment is not finished. */
  confirmed_at: SqlTime | null;
  last_use: ColumnType<SqlTime | null, SqlTime | null | undefined, SqlTime | null>;
  /** Of a TOTP: the encrypted secret, and the id of its encryption key. */
  secret: ColumnType<Uint8Array | null, Uint8Array | undefined, Uint8Array>;
  secret_key_id: ColumnType<string | null, string | undefined, string>;
  /** Of a TOTP: the latest time step whose code was used. MySQL returns it as digits. */
  last_step: ColumnType<number | string | null, number | undefined, number>;
  /** Of a passkey: SHA-256 of the credential id. */
  credential_hash: ColumnType<Uint8Array | null, Uint8Array | undefined, never>;
  /** Of a passkey: JSON. */
  credential: ColumnType<string | null, string | undefined, never>;
  /** Of a passkey: its signature counter. MySQL returns it as digits. */
  sign_count: ColumnType<number | string | null, number | undefined, number>;
}

/** Unused recovery codes by their SHA-256 digests. */
interface RecoveryCodeTable {
  factor_id: ColumnType<bigint | string, bigint, never>;
  code_hash: Uint8Array;
}

/** What a challenge is for. */
export type ChallengePurpose = "login" | "passkey_login" | "passkey_enrolment" | "setup";

/** Challenges by their SHA-256 digests; each can be answered once. */
interface ChallengeTable {
  challenge_hash: Uint8Array;
  purpose: ChallengePurpose;
  /** Null for a login without a username. */
  user_id: string | null;
  /** `modified_at` of the account when the challenge was issued: a changed account makes it invalid. */
  account_modified_at: SqlTime | null;
  ip: string;
  vhost: string;
  client: string | null;
  /** How the login has authenticated the user so far; separated by spaces. */
  amr: string | null;
  wrong_answers: ColumnType<number, undefined, number>;
  expires_at: SqlTime;
}

/** What an import of another database has copied. */
interface ImportedRowTable {
  kind: "user" | "group" | "member";
  /** The name of the user or group in the other database. */
  name: string;
  /** Of a membership: the group's name in the other database; else empty. */
  groupname: string;
  /** Of a user: the columns of the other database, each as a digest of 8 bytes. */
  digest: Uint8Array | null;
  /** Of a user: `created_at` of the account here, which identifies it. */
  account_created_at: SqlTime | null;
}

/** All tables, with rows as either database returns them. */
export interface Tables {
  user: UserTable;
  token: TokenTable;
  group: GroupTable;
  usergroup: UserGroupTable;
  rpc_inbox: RpcInboxTable;
  rpc_attempt: RpcAttemptTable;
  lease: LeaseTable;
  login_throttle: LoginThrottleTable;
  event: EventTable;
  one_time_token: OneTimeTokenTable;
  api_key: ApiKeyTable;
  imported_row: ImportedRowTable;
  factor: FactorTable;
  recovery_code: RecoveryCodeTable;
  challenge: ChallengeTable;
}

/** A user's row without the columns that the database generates. */
export type UserRow = Omit<Selectable<UserTable>, "username_key" | "email_key">;
