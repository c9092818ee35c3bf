import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { messageOf } from "../errors.ts";
import { readBlocklist } from "./blocklist.ts";
import { type BrokerConfig, readBroker } from "./broker.ts";
import { readBrokerTokens } from "./broker-scopes.ts";
import { readCa } from "./ca.ts";
import { type DirectoryConfig, readDirectory } from "./directory.ts";
import { overlayEnvironment } from "./environment.ts";
import { collectFault, ConfigError, type ConfigFault } from "./fault.ts";
import { freezeDeep } from "./freeze.ts";
import { type IssuerConfig, readIssuers, type SigningConfig } from "./issuers.ts";
import { type KerberosConfig, readKerberos } from "./kerberos.ts";
import { parseJson } from "./json.ts";
import { nameQueues, type QueueName } from "./queues.ts";
import { SECTIONS, type AppConfig, type EventConfig, type LogConfig, type Settings } from "./schema.ts";
import { fullMatch } from "./patterns.ts";

/** The database: one file, or a server. */
export type DbConfig =
  | { readonly dialect: "sqlite"; readonly file: string }
  | {
      readonly dialect: "mysql";
      readonly database: string;
      readonly user: string;
      readonly password: string;
      readonly host: string;
      readonly port: number;
      readonly ca: Buffer | undefined;
      readonly pool_size: number;
      readonly timeout_ms: number;
    };

/** Where the HTTP endpoints for health and metrics listen. */
export interface HealthConfig {
  readonly host: string;
  readonly port: number;
}

/** The whole configuration, checked: keys are read, paths absolute, queues named. */
export interface Config {
  readonly signing: SigningConfig | undefined;
  readonly issuers: readonly IssuerConfig[];
  readonly db: DbConfig;
  readonly amqp: BrokerConfig;
  readonly app: AppConfig;
  readonly directory: DirectoryConfig | undefined;
  /** Read with the keys: its keytab is one. */
  readonly kerberos: KerberosConfig | undefined;
  readonly queues: ReadonlyMap<QueueName, string>;
  readonly log: LogConfig;
  readonly events: EventConfig;
  /** Undefined where no port is to be opened. */
  readonly health: HealthConfig | undefined;
}

interface LoadOptions {
  /** Variables that override keys; the process's own unless given. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whether token keys are needed: a command that only calls or migrates reads none. */
  readonly keys: boolean;
}

/** Reads a configuration file (none: the built-in defaults) and its environment, or throws one ConfigError. */
export function loadConfig(file: string | undefined, options: LoadOptions): Config {
  return parseConfig(file === undefined ? {} : readConfigFile(file), {
    ...options,
    folder: file === undefined ? process.cwd() : dirname(resolve(file)),
  });
}

/** Checks a configuration object; relative paths in it start at `folder`. Throws one ConfigError with every fault. */
export function parseConfig(
  raw: Readonly<Record<string, unknown>>,
  options: LoadOptions & { folder: string },
): Config {
  const overlay = overlayEnvironment(raw, options.env ?? process.env);
  const faults = overlay.faults;
  for (const key of Object.keys(overlay.raw)) {
    if (!Object.hasOwn(SECTIONS, key)) faults.push({ path: key, msg: "unknown section" });
  }
  const section = <K extends keyof Settings>(name: K): Settings[K] | undefined => {
    const given: unknown = overlay.raw[name];
    const result = SECTIONS[name].safeParse(given);
    if (result.success) return result.data as Settings[K]; // TypeScript does not correlate the key with its schema
    const unknown: string[] = [];
    for (const issue of result.error.issues) {
      const path = [name, ...issue.path].join(".");
      if (issue.code !== "unrecognized_keys") faults.push({ path, msg: issue.message });
      else {
        faults.push(...issue.keys.map((key) => ({ path: `${path}.${key}`, msg: "unknown key" })));
        if (issue.path.length === 0) unknown.push(...issue.keys);
      }
    }
    // What else is wrong with the section is told as well, so it is looked at without its unknown keys.
    return SECTIONS[name].safeParse(without(given, unknown)).data as Settings[K] | undefined;
  };
  const { folder } = options;
  const directory = readDirectory(section("ldap_settings"), folder, faults);
  const realm = section("kerberos_settings");
  const kerberos = options.keys ? readKerberos(realm, folder, faults) : undefined;
  const app = checkApp(section("app_config"), folder, faults);
  const { signing, issuers } = options.keys
    ? readIssuers(
        section("jwt_creation"),
        overlay.raw["jwt_creation"] === undefined,
        section("jwt_validation"),
        folder,
        faults,
      )
    : { signing: undefined, issuers: [] };
  const brokerTokens = readBrokerTokens(section("broker_settings"), app, signing, faults);
  const db = readDatabase(section("db_settings"), folder, faults);
  const amqp = readBroker(section("amqp_settings"), folder, faults);
  const named = nameQueues(section("queue_settings") ?? {});
  faults.push(...named.faults.map(({ path, msg }) => ({ path: `queue_settings.${path}`, msg })));
  const log = checkLog(section("log_settings"), folder, faults);
  const events = section("event_settings");
  const health = readHealth(section("health_settings"));
  if (faults.length > 0 || !app || !db || !amqp || !log || !events) throw new ConfigError(faults);
  return freezeDeep({
    signing,
    issuers,
    db,
    amqp,
    app: brokerTokens === undefined ? app : { ...app, brokerTokens },
    directory,
    kerberos,
    queues: named.queues,
    log,
    events,
    health,
  });
}

function readConfigFile(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError([{ path: "", msg: `cannot read the configuration: ${messageOf(error)}` }]);
  }
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    // The parser quotes what it cannot read, which may be part of a password: only the place is told.
    const told =
      /(?: at position \d+ \(line \d+ column \d+\)|^an object has two members with the same name)$/;
    const [what = ""] = told.exec(messageOf(error)) ?? [];
    throw new ConfigError([{ path: "", msg: `${file} is not JSON${what.replace(/^an/, ": an")}` }]);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new ConfigError([{ path: "", msg: `${file} must hold one JSON object` }]);
}

function without(value: unknown, keys: readonly string[]): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}

function checkApp(
  app: Settings["app_config"] | undefined,
  folder: string,
  faults: ConfigFault[],
): AppConfig | undefined {
  if (app === undefined) return undefined;
  for (const key of ["group_regex", "username_regex", "password_regex", "email_regex"] as const) {
    collectFault(faults, `app_config.${key}`, () => fullMatch(app[key]));
  }
  if (app.vhosts?.includes(app.default_vhost) === false) {
    faults.push({ path: "app_config.default_vhost", msg: "is not one of app_config.vhosts" });
  }
  const { password_blocklist: file } = app;
  if (file === undefined) return app;
  const blockedPasswords = collectFault(faults, "app_config.password_blocklist", () =>
    readBlocklist(resolve(folder, file)),
  );
  return blockedPasswords && { ...app, blockedPasswords };
}

function readDatabase(
  settings: Settings["db_settings"] | undefined,
  folder: string,
  faults: ConfigFault[],
): DbConfig | undefined {
  if (settings === undefined) return undefined;
  const { file, database, user, password, host, port, pool_size, timeout_ms } = settings;
  const nothing = database === undefined && user === undefined && password === undefined;
  const dialect = settings.dialect ?? (nothing ? "sqlite" : "mysql");
  if (dialect === "sqlite") return { dialect, file: resolve(folder, file ?? "authmq.db") };
  if (file !== undefined) faults.push({ path: "db_settings.file", msg: "goes with the dialect sqlite" });
  for (const [key, value] of Object.entries({ database, user, password })) {
    if (value === undefined) faults.push({ path: `db_settings.${key}`, msg: "is required for mysql" });
  }
  const ca = readCa(settings.ca_file, "db_settings", folder, faults);
  if (database === undefined || user === undefined || password === undefined) return undefined;
  return { dialect, database, user, password, host, port, ca, pool_size, timeout_ms };
}

function readHealth(settings: Settings["health_settings"] | undefined): HealthConfig | undefined {
  const { host, port } = settings ?? {};
  return host === undefined || port === undefined ? undefined : { host, port };
}

function checkLog(log: LogConfig | undefined, folder: string, faults: ConfigFault[]): LogConfig | undefined {
  const path = log?.handler_settings.path;
  if (log?.handler === "file" && path === undefined) {
    faults.push({ path: "log_settings.handler_settings.path", msg: "is required for the handler file" });
  }
  if (log === undefined || path === undefined) return log;
  return { ...log, handler_settings: { ...log.handler_settings, path: resolve(folder, path) } };
}
