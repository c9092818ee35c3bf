import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { LoginHandler, LoginVerdict } from "./handler.ts";
import { type Directory, isAskable } from "./ldap/directory.ts";
import { type LdapReason, REASONS } from "./ldap/reason.ts";
import type { DirectorySync } from "./ldap/sync.ts";
import type { Passwords } from "./password.ts";

/** The dependencies of directory logins. */
export interface LdapLoginParts {
  readonly directory: Directory;
  readonly sync: DirectorySync;
  readonly passwords: Passwords;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Logs users in at the directory; updates their account, email and groups from the directory. */
export function ldapLogin({ directory, sync, passwords, metrics, log }: LdapLoginParts): LoginHandler {
  return async ({ username: given, password, user, isCancelled }) => {
    const username = user?.username ?? given;
    const refuse = async ({ label, text }: LdapReason, took?: number): Promise<LoginVerdict> => {
      metrics.count("directory_refusals_total", { reason: label });
      log.info({ username, reason: label, detail: text }, "the directory refused a login");
      await passwords.verify(password, null, isCancelled);
      return { ok: false, reason: "bad-credentials", ...(took === undefined ? {} : { took }) };
    };
    if (!isAskable(given, password) || !isAskable(username, password)) return refuse(REASONS.unaskable);
    const since = performance.now();
    const verdict = await directory.authenticate(username, password, isCancelled);
    if (!verdict.ok) return refuse(verdict.reason, performance.now() - since);
    const synced = await sync.login(verdict.account);
    if (synced.outcome === "synced") return { ok: true, user: synced.user };
    const took = performance.now() - since;
    return refuse(synced.outcome === "another person" ? REASONS.anotherPerson : REASONS.notDirectory, took);
  };
}
