import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { messageOf } from "../errors.ts";
import { parseJson } from "../wire/json.ts";
import type { QueueName } from "../wire/queues.ts";
import { readApp } from "./app.ts";
import { type BrokerConfig, readBroker } from "./broker.ts";
import { readBrokerTokens } from "./broker-tokens.ts";
import { type DbConfig, readDatabase } from "./database.ts";
import { type DirectoryConfig, readDirectory } from "./directory.ts";
import { type EncryptionConfig, readEncryption } from "./encryption.ts";
import { ConfigError, type ConfigFault, Faults } from "./fault.ts";
import { freezeDeep } from "./freeze.ts";
import { type IssuerConfig, readIssuers, type SigningConfig } from "./issuers.ts";
import { type KerberosConfig, readKerberos } from "./kerberos.ts";
import { type Layers, joinLayers, namePath } from "./layers.ts";
import { unknownKey } from "./parts.ts";
import { adviceOn, type LegacyValue, legacyValues } from "./py-auth-micro.ts";
import { readQueues } from "./queues.ts";
import { SECTIONS, type AppConfig, type EventConfig, type LogConfig, type Settings } from "./schema.ts";
import { readSections, type Section } from "./section.ts";

export type { DbConfig } from "./database.ts";

/** The address of the health and metrics endpoints. */
export interface HealthConfig {
  readonly host: string;
  readonly port: number;
}

/** The validated configuration: keys are read, and paths are absolute. */
export interface Config {
  readonly signing: SigningConfig | undefined;
  readonly issuers: readonly IssuerConfig[];
  /** Undefined if not configured or if `keys` was false. */
  readonly encryption: EncryptionConfig | undefined;
  readonly db: DbConfig;
  readonly amqp: BrokerConfig;
  readonly app: AppConfig;
  readonly directory: DirectoryConfig | undefined;
  /** Undefined if not configured or if `keys` was false: the keytab is a key. */
  readonly kerberos: KerberosConfig | undefined;
  readonly queues: ReadonlyMap<QueueName, string>;
  readonly log: LogConfig;
  readonly events: EventConfig;
  /** Undefined if there are no endpoints. */
  readonly health: HealthConfig | undefined;
  /** The origins of the values. */
  readonly origins: Origins;
}

/** The given values without defaults, and their sources. Contains secrets: show only the names. */
export interface Origins extends Pick<Layers, "sources" | "unused"> {
  readonly given: Layers["raw"];
}

/** Sections with keys only. */
const KEY_SECTIONS = ["jwt_creation", "jwt_validation", "encryption_keys"] as const;

interface LoadOptions {
  /** Environment variables; by default those of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whether to read keys; commands like `call` and `migrate` do not need them. */
  readonly keys: boolean;
}

/** Reads a configuration file (undefined: only defaults) and the environment; throws ConfigError with all faults. */
export function loadConfig(file: string | undefined, options: LoadOptions): Config {
  const faults = new Faults();
  const raw = file === undefined ? {} : readConfigFile(file, faults);
  const folder = file === undefined ? process.cwd() : dirname(resolve(file));
  return readConfig(raw, { ...options, folder }, faults);
}

/** Reads a configuration file without validation; throws ConfigError if it is not a JSON object. */
export function readConfigObject(file: string): Record<string, unknown> {
  const faults = new Faults();
  const raw = readConfigFile(file, faults);
  const list = faults.list();
  if (list.length > 0) throw new ConfigError(list);
  return raw;
}

/** Validates a configuration object; relative paths start at `folder`. Throws ConfigError with all faults. */
export function parseConfig(
  raw: Readonly<Record<string, unknown>>,
  options: LoadOptions & { folder: string },
): Config {
  return readConfig(raw, options, new Faults());
}

function readConfig(
  file: Readonly<Record<string, unknown>>,
  { env = process.env, keys, folder }: LoadOptions & { folder: string },
  faults: Faults,
): Config {
  const { raw, sources, unused } = joinLayers(file, env, faults);
  const known = Object.keys(SECTIONS);
  for (const key of Object.keys(raw))
    if (!known.includes(key)) faults.push({ path: key, msg: unknownKey("section", key, known) });
  // Validate all sections first: checks across keys are skipped if they need a value with a fault.
  // A command that needs no keys may run without access to their secrets, for example a migration job.
  const section = readSections(raw, faults, keys ? [] : KEY_SECTIONS);
  const directory = readDirectory(section("ldap_settings"), folder, faults);
  const kerberos = keys ? readKerberos(section("kerberos_settings"), folder, faults) : undefined;
  const app = readApp(section("app_config"), folder, faults);
  const { signing, issuers } = keys
    ? readIssuers(section("jwt_creation"), section("jwt_validation"), folder, faults)
    : { signing: undefined, issuers: [] };
  const encryption = keys
    ? readEncryption(section("encryption_keys"), section("app_config"), folder, faults)
    : undefined;
  const brokerTokens = readBrokerTokens(section("broker_settings"), section("app_config"), signing, faults);
  const db = readDatabase(section("db_settings"), folder, faults);
  const amqp = readBroker(section("amqp_settings"), folder, faults);
  const queues = readQueues(section("queue_settings"), faults);
  const log = readLog(section("log_settings"), folder, faults);
  const events = section("event_settings").whole;
  const health = readHealth(section("health_settings").whole);
  const advice = legacyAdvice(raw);
  const list = faults.list(({ path, msg }) => ({
    path: namePath(sources, path),
    msg: advice({ path, msg }),
  }));
  if (list.length > 0 || !app || !db || !amqp || !log || !events) throw new ConfigError(list);
  return freezeDeep({
    signing,
    issuers,
    encryption,
    db,
    amqp,
    app: brokerTokens === undefined ? app : { ...app, brokerTokens },
    directory,
    kerberos,
    queues,
    log,
    events,
    health,
    origins: { given: raw, sources, unused },
  });
}

/** Describes a fault; for a value of py_auth_micro, with what to write instead. */
function legacyAdvice(raw: Readonly<Record<string, unknown>>): (fault: ConfigFault) => string {
  let legacy: ReadonlyMap<string, LegacyValue> | undefined;
  return ({ path, msg }) => {
    legacy ??= new Map(legacyValues(raw).map((value) => [value.path, value]));
    const value = legacy.get(path);
    if (value === undefined) return msg;
    // The message about a pattern names what is wrong in it.
    return path.endsWith("_regex") ? `${msg}. Write ${JSON.stringify(value.replacement)}` : adviceOn(value);
  };
}

/** Reads a configuration file; on error, adds a fault and marks all values as unknown. */
function readConfigFile(file: string, faults: Faults): Record<string, unknown> {
  const refuse = (msg: string): Record<string, unknown> => {
    faults.pushFrom("", msg, [""]);
    return {};
  };
  let text: string;
  try {
    text = readFileSync(file, "utf8").replace(/^\ufeff/, "");
  } catch (error) {
    return refuse(`cannot read the configuration: ${messageOf(error)}`);
  }
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    // The parser quotes the invalid text, which may be part of a password: show only the position.
    const safePart =
      /(?: at position \d+ \(line \d+ column \d+\)|^an object has two members with the same name)$/;
    const [what = ""] = safePart.exec(messageOf(error)) ?? [];
    return refuse(`${file} is not JSON${what.replace(/^an/, ": an")}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  return refuse(`${file} must contain one JSON object`);
}

function readHealth(settings: Settings["health_settings"] | undefined): HealthConfig | undefined {
  const { host, port } = settings ?? {};
  return host === undefined || port === undefined ? undefined : { host, port };
}

function readLog(
  { parts, whole }: Section<"log_settings">,
  folder: string,
  faults: Faults,
): LogConfig | undefined {
  const path = parts?.handler_settings?.path;
  const key = "log_settings.handler_settings.path";
  if (parts?.handler === "file" && path === undefined && !faults.has(key))
    faults.push({ path: key, msg: "is required for the handler file: set the path of the log file" });
  if (whole === undefined || path === undefined) return whole;
  return { ...whole, handler_settings: { ...whole.handler_settings, path: resolve(folder, path) } };
}
