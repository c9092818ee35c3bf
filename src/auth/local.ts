import type { LoginHandler } from "./handler.ts";
import type { Passwords } from "./password.ts";

/** Logs local users in, by the bcrypt hash in their row; a cheap hash is made anew at the configured cost. */
export function localLogin(passwords: Passwords): LoginHandler {
  return async ({ password, user, stillWanted }) => {
    const stored = user?.password_hash ?? null;
    const fits = await passwords.verify(password, stored, stillWanted);
    if (!fits || user === undefined) return { ok: false, reason: "bad-credentials" };
    if (stored === null || !passwords.isOutdated(stored)) return { ok: true, user };
    return { ok: true, user, rehashed: await passwords.hash(password, stillWanted) };
  };
}

/** Refuses everybody as a wrong password is refused, and in the same time: for names that have no login source. */
export function refusedLogin(passwords: Passwords): LoginHandler {
  return async ({ password, stillWanted }) => {
    await passwords.verify(password, null, stillWanted);
    return { ok: false, reason: "bad-credentials" };
  };
}
