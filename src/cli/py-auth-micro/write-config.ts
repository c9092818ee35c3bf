import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ConfigError } from "../../config/fault.ts";
import { parseConfig, readConfigObject } from "../../config/load.ts";
import { modernize } from "../../config/py-auth-micro.ts";
import { countInactive } from "../../db/queries/py-auth-micro.ts";
import { messageOf } from "../../errors.ts";
import { ExitError } from "../exit.ts";
import { newKeys } from "./new-keys.ts";
import { createNotes, type Notes } from "./notes.ts";
import { inFile, openOldDatabase, readOldDatabase, readOldServer } from "./source.ts";

type Settings = Readonly<Record<string, unknown>>;

/** How to translate a configuration. */
export interface WriteOptions {
  readonly from: string;
  readonly folder: string;
  /** A database on the old server; undefined for a SQLite file. */
  readonly database: string | undefined;
  /** Whether authmq runs beside services of py_auth_micro at first. */
  readonly isMixed: boolean;
}

const CONFIG = "config.json";
const DATABASE = "authmq.db";

/** Timeout of the count of users in milliseconds: the configuration is written without it, too. */
const COUNT_TIMEOUT = 5000;

/** Settings that name a file. */
const FILES: readonly (readonly string[])[] = [
  ["db_settings", "ca_file"],
  ["amqp_settings", "ca_file"],
  ["ldap_settings", "ca_file"],
  ["log_settings", "handler_settings", "path"],
];

/** Writes a configuration for authmq; prints its path, and what changed. Throws ConfigError, or ExitError if it exists. */
export async function writeNewConfig(options: WriteOptions): Promise<void> {
  const { from, folder } = options;
  const target = join(folder, CONFIG);
  const files = options.database === undefined ? [target, join(folder, DATABASE)] : [target];
  const existing = files.filter((file) => existsSync(file));
  if (existing.length > 0)
    throw new ExitError(
      1,
      `${existing.join(", ")} already exists, and nothing is overwritten: name another folder`,
    );
  const notes = createNotes();
  const config = translate(readConfigObject(from), options, notes);
  await noteInactive(from, notes);
  mkdirSync(folder, { recursive: true });
  writeFileSync(target, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600, flag: "wx" });
  process.stdout.write(`${target}\n${notes.describe()}`);
}

function translate(raw: Settings, { from, folder, database, isMixed }: WriteOptions, notes: Notes): Settings {
  const oldFolder = dirname(resolve(from));
  const { config, legacy } = modernize(raw);
  for (const { path, why, replacement, needsDecision } of legacy) {
    const text = `${why}; ${replacement === undefined ? "removed" : `now ${JSON.stringify(replacement)}`}`;
    if (needsDecision) notes.decide(path, text);
    else notes.change(path, text);
  }
  notePatterns(config, notes);
  const files = FILES.reduce((settings, path) => withAbsolutePath(settings, path, oldFolder), config);
  const keys = newKeys(withKeyPaths(files, oldFolder), oldFolder, notes);
  const next: Settings = { ...files, ...keys, db_settings: newDatabase(from, files, database, notes) };
  return checked(isMixed ? withMixed(next, notes) : next, { from, folder: resolve(folder), notes });
}

function newDatabase(
  from: string,
  { db_settings: old }: Settings,
  database: string | undefined,
  notes: Notes,
): Settings {
  if (database === undefined) {
    notes.change(
      "db_settings",
      `now the SQLite file ${DATABASE} beside the configuration, which authmq migrate creates`,
    );
    return { dialect: "sqlite", file: DATABASE };
  }
  if (database === readOldServer(from).database)
    throw new ExitError(2, `--database ${database} is the database of py_auth_micro: name a new one`);
  notes.change(
    "db_settings.database",
    `now ${database}, which you must create: its user needs all rights on it`,
  );
  return { ...asSettings(old), dialect: "mysql", database };
}

function withMixed(config: Settings, notes: Notes): Settings {
  notes.change("jwt_creation.legacy_header_claims", "true, until no service verifies with jwt_helper");
  notes.change(
    "amqp_settings.legacy_replies",
    "true, until no caller checks for 201 or parses times of py_auth_micro",
  );
  notes.change(
    "amqp_settings.queues",
    "transient, as py_auth_micro declares its queues, until its worker has stopped",
  );
  return {
    ...config,
    jwt_creation: { ...asSettings(config["jwt_creation"]), legacy_header_claims: true },
    amqp_settings: { ...asSettings(config["amqp_settings"]), legacy_replies: true, queues: "transient" },
  };
}

/** The configuration without unknown keys; throws ConfigError if something else in it is not valid. */
function checked(
  config: Settings,
  { from, folder, notes }: { from: string; folder: string; notes: Notes },
): Settings {
  const check = (settings: Settings) =>
    inFile(from, () => parseConfig(settings, { env: {}, keys: true, folder }));
  try {
    parseConfig(config, { env: {}, keys: true, folder });
    return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const unknown = error.faults.filter(({ msg }) => /^unknown (?:key|section)/.test(msg));
    for (const { path, msg } of unknown) notes.decide(path, `${msg}; removed`);
    const known = unknown.reduce((settings, { path }) => withoutKey(settings, path.split(".")), config);
    check(known);
    return known;
  }
}

/** JavaScript's \w and \d are ASCII. */
function notePatterns({ app_config: app }: Settings, notes: Notes): void {
  for (const [key, value] of Object.entries(asSettings(app)))
    if (key.endsWith("_regex") && typeof value === "string" && /\\[wd]/.test(value))
      notes.decide(
        `app_config.${key}`,
        "\\w and \\d match ASCII here, and letters and digits of all scripts in Python",
      );
}

/** Counts the users who could log in before, if the database can be reached. */
async function noteInactive(from: string, notes: Notes): Promise<void> {
  const server = { ...readOldServer(from), timeout_ms: COUNT_TIMEOUT };
  await using old = openOldDatabase(server);
  try {
    const count = await readOldDatabase(old, server, (trx) => countInactive(trx));
    if (count > 0)
      notes.decide(
        "users",
        `${count} have activated = 0. They could log in to py_auth_micro, and get 403 here: activate them with user_change, or before the import`,
      );
  } catch (error) {
    notes.decide(
      "users",
      `those with activated = 0 were not counted (${messageOf(error)}); --dry-run counts them`,
    );
  }
}

function withAbsolutePath(settings: Settings, path: readonly string[], folder: string): Settings {
  const [key = "", ...rest] = path;
  const value = settings[key];
  if (rest.length > 0)
    return isSettings(value) ? { ...settings, [key]: withAbsolutePath(value, rest, folder) } : settings;
  return typeof value === "string" ? { ...settings, [key]: resolve(folder, value) } : settings;
}

/** Keys in files: the new configuration is in another folder. */
function withKeyPaths(config: Settings, folder: string): Settings {
  const withPath = (section: unknown): unknown => {
    if (!isSettings(section)) return section;
    const { secret } = section;
    return isSettings(secret) && secret["type"] === "keyfile"
      ? { ...section, secret: withAbsolutePath(secret, ["value"], folder) }
      : section;
  };
  const { jwt_creation: creation, jwt_validation: issuers } = config;
  return {
    ...config,
    ...(creation === undefined ? {} : { jwt_creation: withPath(creation) }),
    ...(issuers === undefined
      ? {}
      : { jwt_validation: Array.isArray(issuers) ? issuers.map(withPath) : issuers }),
  };
}

function withoutKey(settings: Settings, [key = "", ...rest]: readonly string[]): Settings {
  const { [key]: value, ...others } = settings;
  if (rest.length === 0) return others;
  if (Array.isArray(value)) {
    const [index = "", ...below] = rest;
    const members = value.map((member: unknown, at) =>
      String(at) === index && isSettings(member) ? withoutKey(member, below) : member,
    );
    return { ...settings, [key]: members };
  }
  return isSettings(value) ? { ...settings, [key]: withoutKey(value, rest) } : settings;
}

function asSettings(value: unknown): Settings {
  return isSettings(value) ? value : {};
}

function isSettings(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
