import type { LoginHandler } from "./handler.ts";
import { isHashable, type Passwords } from "./password.ts";
import { preparePassword } from "./password/prepare.ts";

/** Logs local users in by the hash in their row; a hash that is cheap or of a password in another form is replaced. */
export function localLogin(passwords: Passwords): LoginHandler {
  return async ({ password, user, isCancelled }) => {
    const stored = user?.password_hash ?? null;
    const comparison = await passwords.verify(password, stored, isCancelled);
    if (comparison === "different" || user === undefined || stored === null)
      return { ok: false, reason: "bad-credentials" };
    const isOutdated = comparison === "equal in another form" || passwords.isOutdated(stored);
    // A few characters are longer in NFC than as they were typed: such a hash stays.
    if (!isOutdated || !isHashable(preparePassword(password))) return { ok: true, user };
    return { ok: true, user, rehashed: await passwords.hash(password, isCancelled) };
  };
}

/** Refuses everybody as a wrong password is refused, and in the same time: for names that have no login source. */
export function refusedLogin(passwords: Passwords): LoginHandler {
  return async ({ password, isCancelled }) => {
    await passwords.verify(password, null, isCancelled);
    return { ok: false, reason: "bad-credentials" };
  };
}
