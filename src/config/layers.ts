import { BROKER_URL_KEYS, BROKER_VARIABLE, readBrokerUrl } from "./broker-url.ts";
import type { ReadUrl } from "./connection-url.ts";
import { DATABASE_URL_KEYS, DATABASE_VARIABLE, kindOfUrl, readDatabaseUrl } from "./database-url.ts";
import { overlayEnvironment } from "./environment.ts";
import type { Faults } from "./fault.ts";

/** Where a value comes from: a variable, or a URL in one or in the file. */
interface Source {
  readonly name: string;
  readonly isUrl: boolean;
}

/** The configuration with its layers joined: variables over the file, a URL below both. */
export interface Layers {
  readonly raw: Readonly<Record<string, unknown>>;
  /** By path; what the file itself gives has none. */
  readonly sources: ReadonlyMap<string, Source>;
  /** Variables with a URL that gives nothing, because the settings say everything. */
  readonly unused: readonly string[];
}

type Env = Readonly<Record<string, string | undefined>>;
type Settings = Readonly<Record<string, unknown>>;

/** How a section is completed from a URL. */
interface UrlLayer {
  readonly section: "amqp_settings" | "db_settings";
  /** Read where the section has no url of its own. */
  readonly variable: string;
  readonly keys: readonly string[];
  readonly read: (text: string) => ReadUrl;
  /** Whether the settings leave nothing for the variable to say, or say something else. */
  readonly isMoot: (settings: Settings, text: string) => boolean;
  /** Why a url of the section contradicts the rest of it. */
  readonly conflict: (settings: Settings, text: string) => string | undefined;
}

const BROKER: UrlLayer = {
  section: "amqp_settings",
  variable: BROKER_VARIABLE,
  keys: BROKER_URL_KEYS,
  read: readBrokerUrl,
  isMoot: (settings) =>
    ["host", "port", "username", "password", "vhost"].every((key) => isGiven(settings, key)),
  conflict: () => undefined,
};

const DATABASE: UrlLayer = {
  section: "db_settings",
  variable: DATABASE_VARIABLE,
  keys: DATABASE_URL_KEYS,
  read: readDatabaseUrl,
  isMoot(settings, text) {
    const [kind, other] = [kindOfSettings(settings), kindOfUrl(text)];
    if (kind === undefined) return false;
    const needed = kind === "sqlite" ? ["file"] : ["host", "port", "user", "password", "database"];
    return needed.every((key) => isGiven(settings, key)) || (other !== undefined && other !== kind);
  },
  conflict(settings, text) {
    const [own, url] = [kindOfSettings(settings), kindOfUrl(text)];
    if (own === undefined || own === url || (url !== "sqlite" && url !== "mysql")) return undefined;
    return `is for ${url}, and other keys of db_settings are for ${own}: remove one or the other`;
  },
};

/** Joins file, variables and URLs. Explicit keys win over `url`, and that over AMQP_URL or DATABASE_URL as a whole. */
export function joinLayers(file: Settings, env: Env, faults: Faults): Layers {
  const { raw, sources: variables } = overlayEnvironment(file, env, faults);
  const sources = new Map(Array.from(variables, ([path, name]) => [path, { name, isUrl: false }]));
  const unused = [BROKER, DATABASE].filter((layer) => !layUrl(layer, raw, sources, env, faults));
  return { raw, sources, unused: unused.map(({ variable }) => variable) };
}

/** False where there is a variable that is not used. */
function layUrl(
  { section, variable, keys, read, isMoot, conflict }: UrlLayer,
  raw: Record<string, unknown>,
  sources: Map<string, Source>,
  env: Env,
  faults: Faults,
): boolean {
  const given = raw[section];
  const inherited = env[variable] === "" ? undefined : env[variable];
  // A section of another type is a fault that is found later.
  if (given !== undefined && !isObject(given)) return true;
  const settings: Settings = given ?? {};
  const unknown = keys.filter((key) => !isGiven(settings, key)).map((key) => `${section}.${key}`);
  const own = settings["url"];
  if (own === undefined ? faults.has(`${section}.url`) : typeof own !== "string") {
    faults.spoil(unknown);
    return true;
  }
  const text = typeof own === "string" ? own : inherited;
  if (text === undefined) return true;
  if (own === undefined && isMoot(settings, text)) return false;
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

/** The name for a path that tells where its value is to be mended: a variable or URL, or the path itself. */
export function namePath(sources: ReadonlyMap<string, Source>, path: string): string {
  const parts = path.split(".");
  // A secret is given by its parts, and what is wrong with its content is in `value`.
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
