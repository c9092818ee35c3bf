import { isDuplicate } from "../db/faults.ts";
import { isSameName } from "../db/names.ts";
import { isLastAdmin } from "../db/queries/admins.ts";
import { deleteOneTimeTokens } from "../db/queries/one-time-tokens.ts";
import { deleteIdTokenOf, type UserRef, lockUser, updateUser } from "../db/queries/users.ts";
import { toSqlTime } from "../db/time.ts";
import { sessionRevoked, userChanged, userUnlocked } from "./events.ts";
import { type MessageRules, requestVerification } from "./verification.ts";
import { record, type Writer } from "./writer.ts";

/** What an account is to have; what is undefined stays. */
export interface AccountChanges {
  readonly password_hash?: Uint8Array | undefined;
  readonly email?: string | undefined;
  readonly activated?: boolean | undefined;
}

interface ChangeRules {
  readonly adminGroup: string;
  /** For a message that verifies a new address; nothing is sent without. */
  readonly messages?: MessageRules;
  /** Whether the user proved with a token that was sent to read what is sent to the address. */
  readonly isReset?: boolean;
}

/**
 * Changes several things of an account, all or nothing. A new password ends its session, and so does its activation: a
 * session from before may be why it was deactivated. The stored address again is no change.
 */
export async function changeAccount(
  writer: Writer,
  { username, created_at }: UserRef,
  { password_hash, email: wantedEmail, activated }: AccountChanges,
  { adminGroup, messages, isReset = false }: ChangeRules,
): Promise<"changed" | "unchanged" | "no such user" | "email taken" | "last admin"> {
  const { trx } = writer;
  if (activated === false && (await isLastAdmin(trx, username, adminGroup))) return "last admin";
  // As it is now: another request may have changed it since it was read.
  const current = await lockUser(trx, username);
  if (current?.created_at !== created_at) return "no such user";
  const email = wantedEmail === current.email ? undefined : wantedEmail;
  if (email === undefined && password_hash === undefined && activated === undefined) return "unchanged";
  // Another spelling of the same address stays as verified as it was.
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
  // Whoever got a message before may not be who the account is for now.
  if (isOther || activated === false) await deleteOneTimeTokens(trx, username);
  else if (password_hash !== undefined) await deleteOneTimeTokens(trx, username, "password_reset");
  const isPassword = password_hash !== undefined;
  const endsSession = isPassword || (activated === true && current.activated === 0);
  const isEnded = endsSession && (await deleteIdTokenOf(trx, username));
  const previousEmail = isOther ? current.email : null;
  await record(
    writer,
    userChanged(username, { email, activated, isPassword, isReset, previousEmail }),
    ...(isEnded ? [sessionRevoked(username, isPassword ? "password" : "activated")] : []),
  );
  // A deactivated account could activate itself with what it is sent.
  const isActive = activated ?? current.activated === 1;
  if (messages !== undefined && isOther && isActive)
    await requestVerification(writer, { username, email }, messages);
  return "changed";
}

/** Records that an account's failed logins were forgotten; null for a name that nobody has. */
export function recordUnlock(writer: Writer, username: string | null): Promise<void> {
  return record(writer, userUnlocked(username));
}
