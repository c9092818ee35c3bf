import type { LoginHandler } from "./handler.ts";
import { isHashable, type Passwords } from "./password.ts";
import { preparePassword } from "./password/prepare.ts";

/** Logs local users in by their stored hash; replaces outdated hashes and hashes of an unprepared password. */
export function localLogin(passwords: Passwords): LoginHandler {
  return async ({ password, user, isCancelled }) => {
    const stored = user?.password_hash ?? null;
    const comparison = await passwords.verify(password, stored, isCancelled);
    if (comparison === "different" || user === undefined || stored === null)
      return { ok: false, reason: "bad-credentials" };
    const isOutdated = comparison === "equal in another form" || passwords.isOutdated(stored);
    // Some passwords get too long in NFC: keep their hash.
    if (!isOutdated || !isHashable(preparePassword(password))) return { ok: true, user };
    return { ok: true, user, rehashed: await passwords.hash(password, isCancelled) };
  };
}

/** Refuses all logins, in the time of a wrong password; for users whose login source is not configured. */
export function refusedLogin(passwords: Passwords): LoginHandler {
  return async ({ password, isCancelled }) => {
    await passwords.verify(password, null, isCancelled);
    return { ok: false, reason: "bad-credentials" };
  };
}
