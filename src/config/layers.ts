import { BROKER_URL_KEYS, BROKER_VARIABLE, readBrokerUrl } from "./broker-url.ts";
import type { ReadUrl } from "./connection-url.ts";
import { DATABASE_URL_KEYS, DATABASE_VARIABLE, kindOfUrl, readDatabaseUrl } from "./database-url.ts";
import { overlayEnvironment } from "./environment.ts";
import type { Faults } from "./fault.ts";

/** The origin of a value: a variable, or a URL in a variable or the file. */
interface Source {
  readonly name: string;
  readonly isUrl: boolean;
}

/** The merged configuration: variables override the file, and both override URLs. */
export interface Layers {
  readonly raw: Readonly<Record<string, unknown>>;
  /** By path; values from the file have no source. */
  readonly sources: ReadonlyMap<string, Source>;
  /** URL variables that are ignored because the settings already set or contradict their values. */
  readonly unused: readonly string[];
}

type Env = Readonly<Record<string, string | undefined>>;
type Settings = Readonly<Record<string, unknown>>;

/** How a URL fills in a section. */
interface UrlLayer {
  readonly section: "amqp_settings" | "db_settings";
  /** The variable to read if the section has no `url`. */
  readonly variable: string;
  readonly keys: readonly string[];
  readonly read: (text: string) => ReadUrl;
  /** Whether to ignore the variable: the settings already set or contradict all of it. */
  readonly isIgnored: (settings: Settings, text: string) => boolean;
  /** Why the section's `url` contradicts its other keys; undefined if it does not. */
  readonly conflict: (settings: Settings, text: string) => string | undefined;
}

const BROKER: UrlLayer = {
  section: "amqp_settings",
  variable: BROKER_VARIABLE,
  keys: BROKER_URL_KEYS,
  read: readBrokerUrl,
  isIgnored: (settings) =>
    ["host", "port", "username", "password", "vhost"].every((key) => isGiven(settings, key)),
  conflict: () => undefined,
};

const DATABASE: UrlLayer = {
  section: "db_settings",
  variable: DATABASE_VARIABLE,
  keys: DATABASE_URL_KEYS,
  read: readDatabaseUrl,
  isIgnored(settings, text) {
    const [kind, other] = [kindOfSettings(settings), kindOfUrl(text)];
    if (kind === undefined) return false;
    const needed = kind === "sqlite" ? ["file"] : ["host", "port", "user", "password", "database"];
    return needed.every((key) => isGiven(settings, key)) || (other !== undefined && other !== kind);
  },
  conflict(settings, text) {
    const [own, url] = [kindOfSettings(settings), kindOfUrl(text)];
    if (own === undefined || own === url || (url !== "sqlite" && url !== "mysql")) return undefined;
    return `is for ${url}, but other keys of db_settings are for ${own}: remove one or the other`;
  },
};

/** Merges file, variables and URLs. Single keys override `url`, which replaces AMQP_URL or DATABASE_URL as a whole. */
export function joinLayers(file: Settings, env: Env, faults: Faults): Layers {
  const { raw, sources: variables } = overlayEnvironment(file, env, faults);
  const sources = new Map(Array.from(variables, ([path, name]) => [path, { name, isUrl: false }]));
  const unused = [BROKER, DATABASE].filter((layer) => !applyUrl(layer, raw, sources, env, faults));
  return { raw, sources, unused: unused.map(({ variable }) => variable) };
}

/** Fills in a section from its URL; false if its variable is set but not used. */
function applyUrl(
  { section, variable, keys, read, isIgnored, conflict }: UrlLayer,
  raw: Record<string, unknown>,
  sources: Map<string, Source>,
  env: Env,
  faults: Faults,
): boolean {
  const given = raw[section];
  const inherited = env[variable] === "" ? undefined : env[variable];
  // A section of the wrong type is reported later.
  if (given !== undefined && !isObject(given)) return true;
  const settings: Settings = given ?? {};
  const unknown = keys.filter((key) => !isGiven(settings, key)).map((key) => `${section}.${key}`);
  const own = settings["url"];
  if (own === undefined ? faults.has(`${section}.url`) : typeof own !== "string") {
    faults.markUnknown(unknown);
    return true;
  }
  const text = typeof own === "string" ? own : inherited;
  if (text === undefined) return true;
  if (own === undefined && isIgnored(settings, text)) return false;
  const name = own === undefined ? variable : (sources.get(`${section}.url`)?.name ?? `${section}.url`);
  const contradiction = own === undefined ? undefined : conflict(settings, text);
  const url = contradiction === undefined ? read(text) : { keys: {}, faults: [contradiction] };
  for (const msg of url.faults) faults.pushFrom(name, msg, unknown);
  const more = Object.entries(url.keys).filter(
    ([key]) => !isGiven(settings, key) && !faults.has(`${section}.${key}`),
  );
  for (const [key] of more) sources.set(`${section}.${key}`, { name, isUrl: true });
  raw[section] = { ...Object.fromEntries(more), ...withoutAbsent(settings) };
  return own === undefined || inherited === undefined;
}

/** Where to correct the value of a path: the variable or URL that sets it, or the path itself. */
export function namePath(sources: ReadonlyMap<string, Source>, path: string): string {
  const parts = path.split(".");
  // A secret is an object; errors in its content belong to its `value`.
  const whole = sources.get(path) ?? sources.get(`${path}.value`);
  if (whole !== undefined) return whole.isUrl ? `${whole.name}.${parts.at(-1) ?? ""}` : whole.name;
  for (let length = parts.length - 1; length > 0; length--) {
    const source = sources.get(parts.slice(0, length).join("."));
    if (source !== undefined) return [source.name, ...parts.slice(length)].join(".");
  }
  return path;
}

function kindOfSettings({ dialect, ...settings }: Settings): string | undefined {
  if (typeof dialect === "string") return dialect;
  if (["database", "user", "password"].some((key) => isGiven(settings, key))) return "mysql";
  return isGiven(settings, "file") ? "sqlite" : undefined;
}

function isGiven(settings: Settings, key: string): boolean {
  return settings[key] !== undefined;
}

function withoutAbsent(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

function isObject(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
