import { type FailedLogin, recordFailedLogin } from "../accounts/sessions.ts";
import type { Database } from "../db/database.ts";
import { findUser } from "../db/queries/users.ts";
import type { AuthType } from "../db/tables.ts";
import type { LoginHandler, LoginSuccess, TicketLogin } from "./handler.ts";
import type { CancellationCheck } from "./concurrency-limiter.ts";
import { localLogin, refusedLogin } from "./local.ts";
import { createConstantTimeResponse, NO_DELAY } from "./constant-time.ts";
import type { Passwords } from "./password.ts";

/** A username and password, or a Kerberos ticket, which contains the username. */
export type LoginCredentials =
  | { readonly username: string; readonly password: string }
  | { readonly username: string | undefined; readonly ticket: string };

/** A successful login, or the reason why it was refused. */
export type LoginResult =
  | LoginSuccess
  | {
      readonly ok: false;
      readonly reason: "bad-credentials" | "not-activated";
      /** The stored username; absent if there is no such account. */
      readonly username?: string;
    };

/** Checks credentials at the account's login source, and records failed logins. */
export type Login = (
  credentials: LoginCredentials,
  from: Pick<FailedLogin, "ip" | "vhost">,
  isCancelled: CancellationCheck,
) => Promise<LoginResult>;

/** The configured remote login sources. */
export interface LoginSources {
  readonly ldap?: LoginHandler;
  readonly kerberos?: LoginHandler;
  readonly ticket?: TicketLogin;
}

/** Creates the login for local accounts and the configured sources. */
export function createLogin(db: Database, passwords: Passwords, sources: LoginSources): Login {
  const refused = refusedLogin(passwords);
  const { ldap = refused, kerberos = refused } = sources;
  const handlers: Readonly<Record<AuthType, LoginHandler>> = {
    LOCAL: localLogin(passwords),
    LDAP: ldap,
    KERBEROS: kerberos,
    SERVICE: refused,
  };
  const isRemote = sources.ldap !== undefined || sources.kerberos !== undefined;
  const constantTime = isRemote ? createConstantTimeResponse() : NO_DELAY;

  const byPassword = async (
    { username, password }: { username: string; password: string },
    isCancelled: CancellationCheck,
  ): Promise<LoginResult> => {
    const user = await findUser(db, username);
    // An account has exactly one login source; unknown usernames may be users of the directory.
    const handler = handlers[user?.auth_type ?? "LDAP"];
    const verdict = await handler({ username, password, user, isCancelled });
    if (verdict.ok) return verdict;
    await constantTime.delay(verdict.took);
    return { ...verdict, ...(user === undefined ? {} : { username: user.username }) };
  };
  const check = async (
    credentials: LoginCredentials,
    isCancelled: CancellationCheck,
  ): Promise<LoginResult> => {
    const result =
      "password" in credentials
        ? await byPassword(credentials, isCancelled)
        : ((await sources.ticket?.(credentials)) ?? { ok: false, reason: "bad-credentials" });
    // Only callers with the right credentials learn that the account is not activated.
    if (result.ok && result.user.activated !== 1)
      return { ok: false, reason: "not-activated", username: result.user.username };
    return result;
  };
  return async (credentials, from, isCancelled) => {
    const result = await check(credentials, isCancelled);
    if (!result.ok) {
      const { reason, username = null } = result;
      await recordFailedLogin(db, { reason, username, ...from });
    }
    return result;
  };
}
