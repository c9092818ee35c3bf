import { DEFAULT_PATTERNS } from "./patterns.ts";
import { translatePattern } from "./python-pattern.ts";

type Settings = Readonly<Record<string, unknown>>;

/** A value in a configuration of py_auth_micro that has another form here. */
export interface LegacyValue {
  readonly path: string;
  /** Why the value does not fit here. */
  readonly why: string;
  /** The value here; undefined to remove the key. */
  readonly replacement: unknown;
  /** Whether something is lost, so that a person must decide. */
  readonly needsDecision: boolean;
}

/** The pattern that py_auth_micro ships: exactly two labels after the @. */
const OLD_EMAIL = DEFAULT_PATTERNS.email.replace(/\+$/, "");

const LEVELS: ReadonlyMap<string, string> = new Map([
  ["NOTSET", "trace"],
  ["WARNING", "warn"],
  ["CRITICAL", "fatal"],
]);

const PATTERNS = ["group_regex", "username_regex", "password_regex", "email_regex"] as const;

/** What to write instead of a value of py_auth_micro, in one sentence. */
export function adviceOn({ why, replacement }: LegacyValue): string {
  return replacement === undefined ? `${why}: remove it` : `${why}: write ${JSON.stringify(replacement)}`;
}

/** Replaces the values of py_auth_micro in a configuration by those of authmq, and lists them. */
export function modernize(raw: Settings): { readonly config: Settings; readonly legacy: LegacyValue[] } {
  const legacy = legacyValues(raw);
  return { config: legacy.reduce<Settings>((config, value) => withValue(config, value), raw), legacy };
}

/** The values of py_auth_micro in a configuration. */
export function legacyValues(raw: Settings): LegacyValue[] {
  return [
    ...nulls(raw, ""),
    ...logValues(objectAt(raw, "log_settings")),
    ...patterns(objectAt(raw, "app_config")),
  ];
}

/** A copy of the configuration with this value replaced. */
function withValue(
  config: Settings,
  { path, replacement }: Pick<LegacyValue, "path" | "replacement">,
): Settings {
  const [key = "", ...rest] = path.split(".");
  const { [key]: current, ...others } = config;
  if (rest.length > 0) {
    if (Array.isArray(current))
      return {
        ...config,
        [key]: current.map((member: unknown, index) =>
          String(index) === rest[0] && isObject(member)
            ? withValue(member, { path: rest.slice(1).join("."), replacement })
            : member,
        ),
      };
    return isObject(current)
      ? { ...config, [key]: withValue(current, { path: rest.join("."), replacement }) }
      : config;
  }
  return replacement === undefined ? others : { ...config, [key]: replacement };
}

/** Python writes None for an absent value. Members of lists keep their index, so only those of objects are removed. */
function nulls(value: unknown, path: string): LegacyValue[] {
  if (typeof value !== "object" || value === null) return [];
  const entries: readonly (readonly [string, unknown])[] = Object.entries(value);
  return entries.flatMap(([key, member]) => {
    const at = path === "" ? key : `${path}.${key}`;
    if (member !== null || Array.isArray(value)) return nulls(member, at);
    return [{ path: at, why: "must not be null", replacement: undefined, needsDecision: false }];
  });
}

function logValues(settings: Settings): LegacyValue[] {
  const found: LegacyValue[] = [];
  const add = (key: string, why: string, replacement?: unknown, needsDecision = false): void => {
    found.push({ path: `log_settings.${key}`, why, replacement, needsDecision });
  };
  const { level, handler } = settings;
  const own = typeof level === "string" ? LEVELS.get(level.toUpperCase()) : undefined;
  if (own !== undefined) add("level", `${String(level)} is a level of Python`, own);
  for (const key of ["disable_aio_pika", "disable_tortoise_orm"])
    if (settings[key] != null) add(key, "is a setting of py_auth_micro only");
  const handlers = objectAt(settings, "handler_settings");
  if (typeof handler === "string" && handler.includes(".")) {
    const [kind, effect] = handlerFor(handler, handlers);
    add("handler", `${handler} is a class of Python (${effect})`, kind, true);
  }
  const { amqp, filename, path } = handlers;
  if (amqp != null)
    add(
      "handler_settings.amqp",
      "is a setting of py_auth_micro only (the handler amqp uses the connection of amqp_settings)",
      undefined,
      true,
    );
  if (typeof filename === "string") {
    if (path === undefined) add("handler_settings.path", "takes the place of filename", filename);
    add("handler_settings.filename", "is called handler_settings.path here");
  }
  return found;
}

/** The handler for a logging class of Python, and what it does. */
function handlerFor(name: string, { filename, path }: Settings): readonly [string, string] {
  const type = name.split(".").at(-1) ?? "";
  if (/amqp/i.test(type))
    return ["amqp", "amqp publishes to the topic exchange handler_settings.exchange, by default amq.topic"];
  if (/file/i.test(type) && typeof (filename ?? path) === "string")
    return ["file", "file writes to handler_settings.path"];
  return ["stderr", "handlers here are stderr, file and amqp"];
}

function patterns(settings: Settings): LegacyValue[] {
  return PATTERNS.flatMap((key): LegacyValue[] => {
    const source = settings[key];
    const path = `app_config.${key}`;
    if (typeof source !== "string") return [];
    if (key === "email_regex" && source.replaceAll("\\\\", "\\") === OLD_EMAIL) {
      const why =
        "is the pattern of py_auth_micro, which accepts a@example.com, but not a@mail.example.com (the default accepts both)";
      return [{ path, why, replacement: undefined, needsDecision: false }];
    }
    const own = translatePattern(source);
    if (own === undefined) return [];
    return [{ path, why: "is a pattern of Python", replacement: own, needsDecision: false }];
  });
}

function objectAt(value: Settings, key: string): Settings {
  const member = value[key];
  return isObject(member) ? member : {};
}

function isObject(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
