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
import { ConfigError, Faults } from "./fault.ts";
import { freezeDeep } from "./freeze.ts";
import { type IssuerConfig, readIssuers, type SigningConfig } from "./issuers.ts";
import { type KerberosConfig, readKerberos } from "./kerberos.ts";
import { type Layers, joinLayers, namePath } from "./layers.ts";
import { unknownKey } from "./parts.ts";
import { readQueues } from "./queues.ts";
import { SECTIONS, type AppConfig, type EventConfig, type LogConfig, type Settings } from "./schema.ts";
import { readSections, type Section } from "./section.ts";

export type { DbConfig } from "./database.ts";

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
  /** Where the values come from. */
  readonly origins: Origins;
}

/** What was given before defaults, and by what. It holds secrets: show its names only. */
export interface Origins extends Pick<Layers, "sources" | "unused"> {
  readonly given: Layers["raw"];
}

interface LoadOptions {
  /** Variables that override keys; the process's own unless given. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whether token keys are needed: a command that only calls or migrates reads none. */
  readonly keys: boolean;
}

/** Reads a configuration file (none: the built-in defaults) and its environment, or throws one ConfigError. */
export function loadConfig(file: string | undefined, options: LoadOptions): Config {
  const faults = new Faults();
  const raw = file === undefined ? {} : readConfigFile(file, faults);
  const folder = file === undefined ? process.cwd() : dirname(resolve(file));
  return readConfig(raw, { ...options, folder }, faults);
}

/** Checks a configuration object; relative paths in it start at `folder`. Throws one ConfigError with every fault. */
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
  // All sections before the checks across keys, which are left out where they need a value that has a fault.
  // A command that needs no keys may run where their secrets are not: a job that migrates, for example.
  const section = readSections(raw, faults, keys ? [] : ["jwt_creation", "jwt_validation"]);
  const directory = readDirectory(section("ldap_settings"), folder, faults);
  const kerberos = keys ? readKerberos(section("kerberos_settings"), folder, faults) : undefined;
  const app = readApp(section("app_config"), folder, faults);
  const { signing, issuers } = keys
    ? readIssuers(section("jwt_creation"), section("jwt_validation"), folder, faults)
    : { signing: undefined, issuers: [] };
  const brokerTokens = readBrokerTokens(section("broker_settings"), section("app_config"), signing, faults);
  const db = readDatabase(section("db_settings"), folder, faults);
  const amqp = readBroker(section("amqp_settings"), folder, faults);
  const queues = readQueues(section("queue_settings"), faults);
  const log = readLog(section("log_settings"), folder, faults);
  const events = section("event_settings").whole;
  const health = readHealth(section("health_settings").whole);
  const list = faults.list((path) => namePath(sources, path));
  if (list.length > 0 || !app || !db || !amqp || !log || !events) throw new ConfigError(list);
  return freezeDeep({
    signing,
    issuers,
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

/** The text of a configuration file as an object; what is wrong goes into `faults`, and then every value is unknown. */
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
    // The parser quotes what it cannot read, which may be part of a password: only the place is told.
    const told =
      /(?: at position \d+ \(line \d+ column \d+\)|^an object has two members with the same name)$/;
    const [what = ""] = told.exec(messageOf(error)) ?? [];
    return refuse(`${file} is not JSON${what.replace(/^an/, ": an")}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  return refuse(`${file} must hold one JSON object`);
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
    faults.push({ path: key, msg: "is required for the handler file" });
  if (whole === undefined || path === undefined) return whole;
  return { ...whole, handler_settings: { ...whole.handler_settings, path: resolve(folder, path) } };
}
