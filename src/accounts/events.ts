import type { UserRow } from "../db/tables.ts";
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

/** Why a session was revoked. */
export type RevocationReason = "logout" | "revoked" | "password" | "activated" | "directory";

/** `session.revoked`. */
export function sessionRevoked(username: string, reason: RevocationReason, detail?: string): AccountEvent {
  return {
    type: "session.revoked",
    username,
    data: { reason, ...(detail === undefined ? {} : { detail }) },
  };
}

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
