import type { Database } from "../db/database.ts";
import { isSameName } from "../db/names.ts";
import { findUser } from "../db/queries/users.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { LoginHandler, LoginVerdict, TicketLogin } from "./handler.ts";
import type { KerberosReason } from "./kerberos/reason.ts";
import type { Realm } from "./kerberos/realm.ts";
import type { Passwords } from "./password.ts";

/** The dependencies of Kerberos logins. */
export interface KerberosLoginParts {
  readonly realm: Realm;
  readonly realmName: string;
  readonly db: Database;
  readonly passwords: Passwords;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** kinit reads one line of at most this many bytes. */
const MAX_PASSWORD = 1023;

const UNASKABLE: KerberosReason = {
  label: "unaskable",
  text: "the username or password is empty, too long or has forbidden characters",
};

/** Logs users in with their password at the realm's KDC; requires an existing account. */
export function kerberosLogin(parts: KerberosLoginParts): LoginHandler {
  const { realm, passwords, metrics, log } = parts;
  return async ({ password, user, isCancelled }) => {
    const refuse = async ({ label, text }: KerberosReason, took?: number): Promise<LoginVerdict> => {
      metrics.count("kerberos_refusals_total", { reason: label });
      log.info({ username: user?.username, reason: label, detail: text }, "the KDC refused a login");
      await passwords.verify(password, null, isCancelled);
      return { ok: false, reason: "bad-credentials", ...(took === undefined ? {} : { took }) };
    };
    // Principals are case-sensitive, so use the stored spelling.
    if (user === undefined || !isAskable(user.username, password)) return refuse(UNASKABLE);
    const since = performance.now();
    const verdict = await realm.checkPassword(user.username, password, isCancelled);
    return verdict.ok ? { ok: true, user } : refuse(verdict.reason, performance.now() - since);
  };
}

/** Logs users in with a SPNEGO token that their client got for this service. */
export function ticketLogin({ realm, realmName, db, metrics, log }: KerberosLoginParts): TicketLogin {
  const refuse = ({ label, text }: KerberosReason): LoginVerdict => {
    metrics.count("kerberos_refusals_total", { reason: label });
    log.info({ reason: label, detail: text }, "a Kerberos ticket was refused");
    return { ok: false, reason: "bad-credentials" };
  };
  return async ({ username, ticket }) => {
    const verdict = await realm.acceptTicket(ticket);
    if (!verdict.ok) return refuse(verdict.reason);
    const { principal, response } = verdict;
    const name = nameOf(principal, realmName);
    const user = name === undefined ? undefined : await findUser(db, name);
    if (user?.auth_type !== "KERBEROS" || user.username !== name)
      return refuse({ label: "no-such-user", text: `no KERBEROS user is spelled exactly like ${principal}` });
    if (username !== undefined && !isSameName(username, name))
      return refuse({
        label: "other-name",
        text: `the ticket of ${principal} was sent with another username`,
      });
    return { ok: true, user, ...(response === undefined ? {} : { ticket: response }) };
  };
}

/** Excludes usernames of other realms or principals, and passwords that kinit would truncate. */
function isAskable(username: string, password: string): boolean {
  return (
    password !== "" &&
    !/[\0\n]/.test(password) &&
    Buffer.byteLength(password) <= MAX_PASSWORD &&
    username !== "" &&
    !/[@/\\]|\p{Cc}/u.test(username)
  );
}

/** The username in a principal of this realm; undefined for services (user/instance), other realms, escaped names. */
function nameOf(principal: string, realmName: string): string | undefined {
  const [name = "", realm, ...more] = principal.split("@");
  return realm === realmName && more.length === 0 && name !== "" && !/[/\\]/.test(name) ? name : undefined;
}
