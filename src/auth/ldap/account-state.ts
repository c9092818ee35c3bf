import type { DirectoryEntry } from "./entry.ts";

/** What says that an account is off: in Active Directory, in 389 Directory Server and FreeIPA, in OpenLDAP's ppolicy. */
export const STATE_ATTRIBUTES = [
  "userAccountControl",
  "accountExpires",
  "nsAccountLock",
  "pwdAccountLockedTime",
  "pwdReset",
] as const;

/** The bit of userAccountControl for a disabled account (MS-ADTS 2.2.16). */
const ACCOUNTDISABLE = 2;

/** Locked by an administrator, and not for a time (draft-behera-ldap-password-policy 5.3.3). */
const LOCKED_FOR_GOOD = "000001010000Z";

/** accountExpires counts 100 ns since 1601; 0 and the largest number mean never (MS-ADTS). */
const FILETIME_EPOCH = 11_644_473_600_000n;
const NEVER = [0n, 2n ** 63n - 1n];

/** Whether an administrator has turned the account off. */
export function isDisabled(entry: DirectoryEntry): boolean {
  return (
    (Number(entry.first("userAccountControl") ?? 0) & ACCOUNTDISABLE) !== 0 ||
    entry.first("nsAccountLock")?.toLowerCase() === "true" ||
    entry.first("pwdAccountLockedTime") === LOCKED_FOR_GOOD
  );
}

/** Whether the password must be changed before it is good for anything else, where the server leaves that to be seen. */
export function mustChange(entry: DirectoryEntry): boolean {
  return entry.first("pwdReset")?.toLowerCase() === "true";
}

/** Whether the account's time is over. */
export function isExpired(entry: DirectoryEntry, now: Date): boolean {
  const text = entry.first("accountExpires");
  if (text === undefined || !/^\d{1,19}$/.test(text)) return false;
  const ticks = BigInt(text);
  return !NEVER.includes(ticks) && ticks / 10_000n - FILETIME_EPOCH <= BigInt(now.getTime());
}
