import type { DirectoryServer } from "../config/directory.ts";
import { ConfigError } from "../config/fault.ts";
import type { Config } from "../config/load.ts";
import { isLoopback } from "../config/loopback.ts";
import type { Database } from "../db/database.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { createRealm } from "./kerberos/realm.ts";
import { kerberosLogin, ticketLogin } from "./kerberos.ts";
import { createDirectory } from "./ldap/directory.ts";
import {
  confirmNobody,
  type ConfirmUser,
  createConfirmation,
  createRevalidation,
  keepSession,
  type Revalidate,
} from "./ldap/revalidate.ts";
import { createSync } from "./ldap/sync.ts";
import { ldapLogin } from "./ldap.ts";
import type { LoginSources } from "./login.ts";
import type { Passwords } from "./password.ts";

interface SourceParts {
  readonly config: Config;
  readonly db: Database;
  readonly passwords: Passwords;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** A remote login source. */
export interface Remote {
  readonly name: "directory" | "kerberos";
  /** Why the latest requests to it failed; undefined if they succeeded. Sends no request. */
  readonly fault: () => string | undefined;
}

/** The configured login sources and the revalidation of their sessions. */
export interface Sources extends LoginSources {
  readonly revalidate: Revalidate;
  /** Confirms a directory user who logs in without a password. */
  readonly confirm: ConfirmUser;
  readonly remotes: readonly Remote[];
  /** Closes connections and processes; may be called twice. */
  close(): Promise<void>;
}

/** Opens the configured login sources; throws ConfigError if the Kerberos library or keytab cannot be used. */
export async function openSources(parts: SourceParts): Promise<Sources> {
  const directory = openDirectory(parts);
  const realm = await openRealm(parts);
  return {
    ...directory,
    ...realm,
    remotes: [...directory.remotes, ...realm.remotes],
    async close() {
      directory.close();
      await realm.close();
    },
  };
}

function openDirectory(
  parts: SourceParts,
): Pick<Sources, "ldap" | "revalidate" | "confirm" | "remotes"> & { close(): void } {
  const { config, db, metrics, log } = parts;
  const { directory: settings, app } = config;
  if (settings === undefined)
    return { revalidate: keepSession, confirm: confirmNobody, remotes: [], close: () => undefined };
  warnAboutPlainText(settings.servers, log);
  if (app.allow_registration)
    log.warn("registration is open: anyone may take the name of a directory user who has not logged in yet");
  const directory = createDirectory(settings, log, metrics);
  const sync = createSync(db, settings, app, log);
  const { service, revalidate_minutes: minutes } = settings;
  return {
    ldap: ldapLogin({ ...parts, directory, sync }),
    revalidate:
      service === undefined || minutes === 0
        ? keepSession
        : createRevalidation({ ...parts, directory, sync, minutes }),
    confirm: service === undefined ? confirmNobody : createConfirmation({ ...parts, directory, sync }),
    remotes: [{ name: "directory", fault: () => directory.fault }],
    close: () => directory.close(),
  };
}

async function openRealm(
  parts: SourceParts,
): Promise<Pick<Sources, "kerberos" | "ticket" | "remotes" | "close">> {
  const { kerberos: settings } = parts.config;
  if (settings === undefined) return { remotes: [], close: async () => undefined };
  const realm = createRealm(settings, parts.metrics);
  try {
    await realm.open();
  } catch (error) {
    await realm.close();
    throw new ConfigError([{ path: "kerberos_settings", msg: messageOf(error) }]);
  }
  const login = { ...parts, realm, realmName: settings.realm };
  return {
    kerberos: kerberosLogin(login),
    ticket: ticketLogin(login),
    remotes: [{ name: "kerberos", fault: () => realm.fault }],
    close: () => realm.close(),
  };
}

function warnAboutPlainText(servers: readonly DirectoryServer[], log: Log): void {
  const exposed = servers.filter(({ host, tls }) => tls === "none" && !isLoopback(host));
  for (const { url } of exposed)
    log.warn({ server: url }, "passwords go to the directory in clear text: use ldaps:// or start_tls");
}
