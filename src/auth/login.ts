import type { Database } from "../db/database.ts";
import { findUser } from "../db/queries/users.ts";
import type { UserRow } from "../db/tables.ts";
import type { LoginHandler } from "./handler.ts";
import type { StillWanted } from "./lane.ts";
import { localLogin, refusedLogin } from "./local.ts";
import type { Passwords } from "./password.ts";

/** Who logged in, with a new hash where the stored one was too cheap; or why nobody did. */
export type LoginResult =
  | { readonly ok: true; readonly user: UserRow; readonly rehashed: Uint8Array | undefined }
  | { readonly ok: false; readonly reason: "bad-credentials" | "not-activated" };

/** Checks a name and a password at the source that the user's row names. */
export type Login = (username: string, password: string, stillWanted: StillWanted) => Promise<LoginResult>;

/** A login over the sources that this installation has. */
export function createLogin(db: Database, passwords: Passwords): Login {
  const local = localLogin(passwords);
  const refused = refusedLogin(passwords);
  const handlerOf = (user: UserRow | undefined): LoginHandler =>
    user?.auth_type === "LOCAL" ? local : refused;
  return async (username, password, stillWanted) => {
    const user = await findUser(db, username);
    const verdict = await handlerOf(user)({ username, password, user, stillWanted });
    if (!verdict.ok) return verdict;
    if (user === undefined) return { ok: false, reason: "bad-credentials" };
    // Only who knows the password learns that the account is off.
    if (user.activated !== 1) return { ok: false, reason: "not-activated" };
    return { ok: true, user, rehashed: verdict.rehashed };
  };
}
