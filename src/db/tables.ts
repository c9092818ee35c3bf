import type { ColumnType, Selectable } from "kysely";

/** How a user is authenticated. */
export type AuthType = "LOCAL" | "LDAP" | "KERBEROS";

/** What can happen. */
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
] as const;

/** What happened. */
export type EventType = (typeof EVENT_TYPES)[number];

/** What a token that is good once lets its holder do. */
export type TokenPurpose = "password_reset" | "email_verification";

/** A moment in UTC as both databases store it: `2026-01-31 23:59:59.123`. */
export type SqlTime = string;

/** A name in the form of `foldName`, made by the database of the column beside it. */
type FoldedKey = ColumnType<string, never, never>;

interface UserTable {
  username: string;
  username_key: FoldedKey;
  password_hash: Uint8Array | null;
  auth_type: AuthType;
  /** Null for a user of a directory whose address another account holds. */
  email: string | null;
  email_key: ColumnType<string | null, never, never>;
  /** 0 or 1. */
  activated: number;
  created_at: SqlTime;
  modified_at: SqlTime;
  /** When somebody proved to read what is sent to the address; null where nobody did. */
  email_verified_at: SqlTime | null;
  /** What a directory calls the person, whatever the name; null where it was not read. */
  external_id: string | null;
}

interface TokenTable {
  /** Random, positive, up to 63 bits: MySQL gives it as decimal digits. */
  token_id: ColumnType<bigint | string, bigint, bigint>;
  user_id: string;
  ip: string;
  valid_until: SqlTime;
  last_use: SqlTime | null;
  sign_method: string;
  vhost: string;
  /** When a directory last said that the user may be here; null where none was asked. */
  validated_at: SqlTime | null;
}

interface GroupTable {
  name: string;
}

interface UserGroupTable {
  username: string;
  username_key: FoldedKey;
  groupname: string;
}

/** What was answered to requests that had an effect; all keys and hashes are HMACs. */
interface RpcInboxTable {
  request_key: Uint8Array;
  /** Of the message that was answered first, where its key is not that of the request. */
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

/** Messages that were delivered again and had no outcome yet, and those that were given up. */
interface RpcAttemptTable {
  message_key: Uint8Array;
  body_hash: Uint8Array;
  queue: string;
  caller: string;
  attempts: number;
  created_at: SqlTime;
  parked_at: SqlTime | null;
}

/** Work that one replica at a time does. */
interface LeaseTable {
  name: string;
  held_until: SqlTime;
}

/** Failed logins of accounts, whether there are such users or not; keys are HMACs. */
interface LoginThrottleTable {
  account_key: Uint8Array;
  /** MySQL gives it as digits. */
  version: ColumnType<number | string, number, number>;
  /** JSON. */
  sources: string;
  expires_at: SqlTime;
}

/** What happened: the outbox of events, and the log of administrators. */
export interface EventTable {
  /** MySQL gives it as digits. */
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

/** Tokens that are good once, by their SHA-256 digests. */
interface OneTimeTokenTable {
  token_hash: Uint8Array;
  purpose: TokenPurpose;
  /** Of the account, whether there is one or not: an HMAC. */
  account_key: Uint8Array;
  username: string | null;
  email: string | null;
  expires_at: SqlTime;
}

/** The tables as rows come out of either database. */
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
}

/** A user's row as the project writes it: the keys are the database's own. */
export type UserRow = Omit<Selectable<UserTable>, "username_key" | "email_key">;
