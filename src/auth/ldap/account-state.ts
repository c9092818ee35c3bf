import type { DirectoryEntry } from "./entry.ts";
import { parseGeneralizedTime } from "./generalized-time.ts";
import { type LdapReason, REASONS } from "./reason.ts";

/** The attributes that tell whether an account may log in. */
export const STATE_ATTRIBUTES = [
  // Active Directory
  "userAccountControl",
  "msDS-User-Account-Control-Computed",
  "accountExpires",
  "pwdLastSet",
  // 389 Directory Server
  "nsAccountLock",
  "accountUnlockTime",
  "passwordExpirationTime",
  // FreeIPA
  "krbPasswordExpiration",
  "krbPrincipalExpiration",
  // OpenLDAP's ppolicy
  "pwdAccountLockedTime",
  "pwdEndTime",
  "pwdReset",
] as const;

/** Bits of userAccountControl (MS-ADTS 2.2.16); lockout and passwordExpired are only in the computed attribute. */
const UF = {
  accountDisable: 0x2,
  lockout: 0x10,
  dontExpirePassword: 0x1_0000,
  smartcardRequired: 0x4_0000,
  passwordExpired: 0x80_0000,
} as const;

/** Locked permanently by an administrator (draft-behera-ldap-password-policy 5.3.3). */
const LOCKED_PERMANENTLY = "000001010000Z";

/** accountExpires counts units of 100 ns since 1601; 0 and the maximum mean never (MS-ADTS). */
const FILETIME_EPOCH = 11_644_473_600_000n;
const NEVER = [0n, 2n ** 63n - 1n];

/**
 * Why an account may not log in although the directory accepted its password. Ignores attributes of policies that the
 * directory has already enforced at the bind (expiry, lockout): they may be outdated.
 */
export function refusalAtLogin(entry: DirectoryEntry, now: Date): LdapReason | undefined {
  if (isDisabled(entry)) return REASONS.disabled;
  if (isExpired(entry, now)) return REASONS.expired;
  if (isTrue(entry, "pwdReset")) return REASONS.mustChange;
  // FreeIPA accepts binds with expired passwords; a password that an administrator sets expires immediately.
  return isPast(entry, "krbPasswordExpiration", now) ? REASONS.passwordExpired : undefined;
}

/** Why an account may no longer log in, for checks without its password. */
export function refusalAtRevalidation(entry: DirectoryEntry, now: Date): LdapReason | undefined {
  const refusal = refusalAtLogin(entry, now);
  if (refusal !== undefined) return refusal;
  if (mustChange(entry)) return REASONS.mustChange;
  if (isPast(entry, "passwordExpirationTime", now) || hasBit(entry, COMPUTED, UF.passwordExpired))
    return REASONS.passwordExpired;
  return isLocked(entry, now) ? REASONS.locked : undefined;
}

const COMPUTED = "msDS-User-Account-Control-Computed";

function isDisabled(entry: DirectoryEntry): boolean {
  return (
    hasBit(entry, "userAccountControl", UF.accountDisable) ||
    isTrue(entry, "nsAccountLock") ||
    entry.first("pwdAccountLockedTime") === LOCKED_PERMANENTLY
  );
}

function isExpired(entry: DirectoryEntry, now: Date): boolean {
  if (isPast(entry, "krbPrincipalExpiration", now) || isPast(entry, "pwdEndTime", now)) return true;
  const text = entry.first("accountExpires");
  if (text === undefined || !/^\d{1,19}$/.test(text)) return false;
  const ticks = BigInt(text);
  return !NEVER.includes(ticks) && ticks / 10_000n - FILETIME_EPOCH <= BigInt(now.getTime());
}

/** Active Directory and 389 Directory Server mark a reset password with the start of their time. */
function mustChange(entry: DirectoryEntry): boolean {
  const neverExpires = hasBit(entry, "userAccountControl", UF.dontExpirePassword | UF.smartcardRequired);
  return (
    (entry.first("pwdLastSet") === "0" && !neverExpires) ||
    timeOf(entry, "passwordExpirationTime") === BEGINNING
  );
}

/** An expired lock (pwdLockoutDuration) counts too: it stays until the next bind, and the policy may be unreadable. */
function isLocked(entry: DirectoryEntry, now: Date): boolean {
  const unlocks = timeOf(entry, "accountUnlockTime");
  return (
    hasBit(entry, COMPUTED, UF.lockout) ||
    entry.first("pwdAccountLockedTime") !== undefined ||
    (unlocks !== undefined && (unlocks === BEGINNING || unlocks > now.getTime()))
  );
}

/** In 389 Directory Server: until an administrator changes it. */
const BEGINNING = 0;

function hasBit(entry: DirectoryEntry, attribute: string, bits: number): boolean {
  return (Number(entry.first(attribute) ?? 0) & bits) !== 0;
}

function isTrue(entry: DirectoryEntry, attribute: string): boolean {
  return entry.first(attribute)?.toLowerCase() === "true";
}

function timeOf(entry: DirectoryEntry, attribute: string): number | undefined {
  return parseGeneralizedTime(entry.first(attribute) ?? "");
}

function isPast(entry: DirectoryEntry, attribute: string, now: Date): boolean {
  const time = timeOf(entry, attribute);
  return time !== undefined && time <= now.getTime();
}
