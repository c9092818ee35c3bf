import { type FailedLogin, recordFailedLogin } from "../accounts/sessions.ts";
import type { Database } from "../db/database.ts";
import { findUser } from "../db/queries/users.ts";
import type { AuthType } from "../db/tables.ts";
import type { LoginHandler, LoginSuccess, TicketLogin } from "./handler.ts";
import type { CancellationCheck } from "./concurrency-limiter.ts";
import { localLogin, refusedLogin } from "./local.ts";
import { createConstantTimeResponse, NO_DELAY } from "./constant-time.ts";
import type { Passwords } from "./password.ts";

/** What proves who somebody is: a name and a password, or a Kerberos ticket, which has the name in it. */
export type LoginCredentials =
  | { readonly username: string; readonly password: string }
  | { readonly username: string | undefined; readonly ticket: string };

/** Who logged in; or why nobody did. */
export type LoginResult =
  | LoginSuccess
  | {
      readonly ok: false;
      readonly reason: "bad-credentials" | "not-activated";
      /** The user that the name is of, where there is one. */
      readonly username?: string;
    };

/** Checks credentials at the source that the user's row names, and records a failed login. */
export type Login = (
  credentials: LoginCredentials,
  from: Pick<FailedLogin, "ip" | "vhost">,
  isCancelled: CancellationCheck,
) => Promise<LoginResult>;

/** The login sources that this installation has beside its own database. */
export interface LoginSources {
  readonly ldap?: LoginHandler;
  readonly kerberos?: LoginHandler;
  readonly ticket?: TicketLogin;
}

/** A login over the sources that this installation has. */
export function createLogin(db: Database, passwords: Passwords, sources: LoginSources): Login {
  const refused = refusedLogin(passwords);
  const { ldap = refused, kerberos = refused } = sources;
  const handlers: Readonly<Record<AuthType, LoginHandler>> = {
    LOCAL: localLogin(passwords),
    LDAP: ldap,
    KERBEROS: kerberos,
  };
  const isRemote = sources.ldap !== undefined || sources.kerberos !== undefined;
  const constantTime = isRemote ? createConstantTimeResponse() : NO_DELAY;

  const byPassword = async (
    { username, password }: { username: string; password: string },
    isCancelled: CancellationCheck,
  ): Promise<LoginResult> => {
    const user = await findUser(db, username);
    // A name that is not known here may be known to the directory; a known one has its one source.
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
    // Only who could prove to be the user learns that the account is off.
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
