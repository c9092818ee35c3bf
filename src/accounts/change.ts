import { isDuplicate } from "../db/faults.ts";
import { isSameName } from "../db/names.ts";
import { isLastAdmin } from "../db/queries/admins.ts";
import { deleteOneTimeTokens } from "../db/queries/one-time-tokens.ts";
import { lockUser, updateUser, type UserRef } from "../db/queries/users.ts";
import { toSqlTime } from "../db/time.ts";
import { userChanged, userUnlocked } from "./events.ts";
import { endSessionsOf } from "./sessions.ts";
import { type MessageRules, requestVerification } from "./verification.ts";
import { record, type Writer } from "./writer.ts";

/** New values of an account; undefined ones stay. */
export interface AccountChanges {
  readonly password_hash?: Uint8Array | undefined;
  readonly email?: string | undefined;
  readonly activated?: boolean | undefined;
}

interface ChangeRules {
  readonly adminGroup: string;
  /** For the verification email to a new address; not sent if absent. */
  readonly messages?: MessageRules;
  /** Whether the user presented a reset token, which proves access to the address. */
  readonly isReset?: boolean;
  /** A session that a new password does not revoke. */
  readonly keepSession?: bigint | undefined;
}

/**
 * Changes an account, all or nothing. A new password revokes the sessions. So does activation, because an earlier
 * session may be the reason for the deactivation. Setting the stored address again is no change.
 */
export async function changeAccount(
  writer: Writer,
  { username, created_at }: UserRef,
  { password_hash, email: wantedEmail, activated }: AccountChanges,
  { adminGroup, messages, isReset = false, keepSession }: ChangeRules,
): Promise<"changed" | "unchanged" | "no such user" | "email taken" | "last admin"> {
  const { trx } = writer;
  if (activated === false && (await isLastAdmin(trx, username, adminGroup))) return "last admin";
  // Re-read under the lock: another request may have changed the account.
  const current = await lockUser(trx, username);
  if (current?.created_at !== created_at) return "no such user";
  const email = wantedEmail === current.email ? undefined : wantedEmail;
  if (email === undefined && password_hash === undefined && activated === undefined) return "unchanged";
  // Another spelling of the same address keeps its verification.
  const isOther = email !== undefined && !(current.email !== null && isSameName(email, current.email));
  const verified = isReset ? { email_verified_at: toSqlTime(new Date()) } : {};
  try {
    await updateUser(trx, username, {
      ...(password_hash === undefined ? {} : { password_hash }),
      ...(email === undefined ? {} : { email }),
      ...(isOther ? { email_verified_at: null } : verified),
      ...(activated === undefined ? {} : { activated: Number(activated) }),
    });
  } catch (error) {
    if (isDuplicate(error)) return "email taken";
    throw error;
  }
  // Delete tokens that were emailed before: their recipient may no longer be entitled to the account.
  if (isOther || activated === false) await deleteOneTimeTokens(trx, username);
  else if (password_hash !== undefined) await deleteOneTimeTokens(trx, username, "password_reset");
  const isPassword = password_hash !== undefined;
  const endsSession = isPassword || (activated === true && current.activated === 0);
  const previousEmail = isOther ? current.email : null;
  await record(writer, userChanged(username, { email, activated, isPassword, isReset, previousEmail }));
  if (endsSession) {
    const except = isPassword ? keepSession : undefined;
    await endSessionsOf(writer, username, isPassword ? "password" : "activated", { except });
  }
  // No verification email to a deactivated account: it could activate the account. Nor to a service.
  const isVerifiable = current.auth_type === "LOCAL" && (activated ?? current.activated === 1);
  if (messages !== undefined && isOther && isVerifiable)
    await requestVerification(writer, { username, email }, messages);
  return "changed";
}

/** Records that an account's failed logins were reset; null for a name without an account. */
export function recordUnlock(writer: Writer, username: string | null): Promise<void> {
  return record(writer, userUnlocked(username));
}
