import type { FactorRow } from "../db/queries/factors.ts";
import type { NewIdToken } from "../db/queries/id-tokens.ts";
import type { AuthType, UserRow } from "../db/tables.ts";
import type { AccountEvent } from "./writer.ts";

type NewAccount = Pick<UserRow, "username" | "email" | "auth_type"> & { readonly activated: boolean };

/** `user.created`. */
export function userCreated({ username, email, auth_type, activated }: NewAccount): AccountEvent {
  return { type: "user.created", username, data: { email, auth_type, activated } };
}

/** The changes of an account; undefined means unchanged. */
export interface AccountChange {
  readonly email?: string | null | undefined;
  readonly activated?: boolean | undefined;
  readonly isPassword?: boolean;
  /** Whether the user presented a password reset token. */
  readonly isReset?: boolean;
  /** The previous address, if the new one is different. */
  readonly previousEmail?: string | null | undefined;
}

/** `user.changed`, with the new values that are not secret. */
export function userChanged(
  username: string,
  { email, activated, isPassword = false, isReset = false, previousEmail }: AccountChange,
): AccountEvent {
  const values = {
    ...(email === undefined ? {} : { email }),
    ...(activated === undefined ? {} : { activated }),
  };
  const data = {
    changed: [...Object.keys(values), ...(isPassword ? ["password"] : [])],
    ...values,
    ...(isReset ? { reset: true } : {}),
    ...(previousEmail == null ? {} : { previous_email: previousEmail }),
  };
  return { type: "user.changed", username, data };
}

/** `user.deleted`. */
export function userDeleted(username: string): AccountEvent {
  return { type: "user.deleted", username, data: {} };
}

/** `user.verified`. */
export function userVerified(username: string, email: string, isActivated: boolean): AccountEvent {
  return {
    type: "user.verified",
    username,
    data: { email, ...(isActivated ? { activated: true } : {}) },
  };
}

/** `user.unlocked`; null for a name without an account. */
export function userUnlocked(username: string | null): AccountEvent {
  return { type: "user.unlocked", username, data: {} };
}

/** `session.started`. */
export function sessionStarted(
  username: string,
  auth_type: AuthType,
  id: bigint,
  {
    ip,
    vhost,
    valid_until,
    client,
    amr,
  }: Pick<NewIdToken, "ip" | "vhost" | "valid_until" | "client" | "amr">,
): AccountEvent {
  const data = { sid: id.toString(), ip, vhost, auth_type, amr, valid_until: valid_until.toISOString() };
  return { type: "session.started", username, data: { ...data, ...(client === null ? {} : { client }) } };
}

/** Why a session was revoked; "limit": the user has too many sessions. */
export type RevocationReason = "logout" | "revoked" | "password" | "activated" | "directory" | "limit";

/** `session.revoked`. */
export function sessionRevoked(
  username: string,
  id: bigint,
  reason: RevocationReason,
  detail?: string,
): AccountEvent {
  return {
    type: "session.revoked",
    username,
    data: { sid: id.toString(), reason, ...(detail === undefined ? {} : { detail }) },
  };
}

/** `api_key.created`. */
export function apiKeyCreated(username: string, id: bigint, name: string): AccountEvent {
  return { type: "api_key.created", username, data: { id: id.toString(), name } };
}

/** `api_key.revoked`. */
export function apiKeyRevoked(username: string, id: bigint, name: string): AccountEvent {
  return { type: "api_key.revoked", username, data: { id: id.toString(), name } };
}

/** `factor.added`. */
export function factorAdded(username: string, { id, type, name }: NamedFactor): AccountEvent {
  return { type: "factor.added", username, data: { id: id.toString(), type, name } };
}

/** `factor.removed`. */
export function factorRemoved(username: string, { id, type, name }: NamedFactor): AccountEvent {
  return { type: "factor.removed", username, data: { id: id.toString(), type, name } };
}

/** `recovery_codes.renewed`. */
export function recoveryCodesRenewed(username: string, id: bigint, count: number): AccountEvent {
  return { type: "recovery_codes.renewed", username, data: { id: id.toString(), count } };
}

/** `recovery_code.used`. */
export function recoveryCodeUsed(username: string, id: bigint, remaining: number): AccountEvent {
  return { type: "recovery_code.used", username, data: { id: id.toString(), remaining } };
}

/** `login.challenged`: the password was right, and the account has a second factor. */
export function loginChallenged(
  username: string,
  {
    ip,
    vhost,
    methods,
  }: { readonly ip: string; readonly vhost: string; readonly methods: readonly string[] },
): AccountEvent {
  return { type: "login.challenged", username, data: { ip, vhost, methods } };
}

type NamedFactor = Pick<FactorRow, "id" | "type" | "name">;

/** `group.created`. */
export function groupCreated(groupname: string): AccountEvent {
  return { type: "group.created", username: null, data: { groupname } };
}

/** `group.deleted`. */
export function groupDeleted(groupname: string): AccountEvent {
  return { type: "group.deleted", username: null, data: { groupname } };
}

/** `group.member_added`. */
export function memberAdded(username: string, groupname: string): AccountEvent {
  return { type: "group.member_added", username, data: { groupname } };
}

/** `group.member_removed`. */
export function memberRemoved(username: string, groupname: string): AccountEvent {
  return { type: "group.member_removed", username, data: { groupname } };
}
