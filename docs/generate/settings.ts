import { z } from "zod";
import { configSchema } from "../../src/config/schema.ts";

/** The used part of a JSON Schema. */
export interface Shape {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly anyOf?: readonly Shape[];
  readonly items?: Shape;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
}

/** A row of a settings table. */
interface Setting {
  readonly key: string;
  readonly type: string;
  readonly fallback: string;
  readonly description: string;
}

/** Longer defaults are not shown. */
const MAX_DEFAULT = 60;

const HEAD = "| key | type | default | meaning |\n|---|---|---|---|";

/** The Markdown tables of settings: one per section of the configuration, and one for the parts of a secret. */
export function settingTables(): ReadonlyMap<string, string> {
  const { properties = {} } = z.toJSONSchema(configSchema, { io: "input" }) as Shape;
  const { secret } = properties["jwt_creation"]?.properties ?? {};
  if (secret === undefined) throw new Error("jwt_creation has no secret");
  return new Map(
    Object.entries({ ...properties, secret }).map(([name, shape]) => [name, tableOf(settingsOf(shape))]),
  );
}

/** Replaces the text between the two markers of each table. */
export function withTables(document: string, tables: ReadonlyMap<string, string>): string {
  return tables.entries().reduce((text, [name, table]) => {
    const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
    const [before = "", rest] = text.split(begin);
    const after = rest?.split(end)[1];
    if (after === undefined)
      throw new Error(`no markers for the table ${name}: add ${begin} and ${end} to the document`);
    return `${before}${begin}\n${table}\n${end}${after}`;
  }, document);
}

function tableOf(settings: readonly Setting[]): string {
  const rows = settings.map(({ key, type, fallback, description }) =>
    [`\`${key}\``, type, fallback, description].map((cell) => cell.replaceAll("|", "\\|")).join(" | "),
  );
  return [HEAD, ...rows.map((row) => `| ${row} |`)].join("\n");
}

/** The settings of a schema; keys of inner objects are joined by dots. */
function settingsOf(shape: Shape, prefix = ""): Setting[] {
  const { properties = {}, required = [] } = shape.items ?? shape;
  return Object.entries(properties).flatMap(([name, inner]) => {
    const key = `${prefix}${name}`;
    if (inner.description === undefined) throw new Error(`${key} has no description: add one to its schema`);
    const setting = {
      key,
      type: typeOf(inner),
      fallback: required.includes(name) ? "required" : fallbackOf(inner),
      description: inner.description,
    };
    // Secrets have their own table.
    return inner.title === "secret" ? [setting] : [setting, ...settingsOf(inner, `${key}.`)];
  });
}

function fallbackOf({ default: value, properties }: Shape): string {
  if (properties !== undefined) return "see below";
  if (value === undefined) return "none";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text.length > MAX_DEFAULT) return "built in";
  return typeof value === "string" ? `\`${text}\`` : text;
}

/** The type of a value as text, with its limits. */
export function typeOf(shape: Shape): string {
  const { anyOf, items, title } = shape;
  if (title === "secret") return "[secret](#secrets)";
  if (shape.const !== undefined) return JSON.stringify(shape.const);
  if (shape.enum !== undefined) return shape.enum.map((value) => `\`${String(value)}\``).join(", ");
  if (anyOf !== undefined) {
    const [first, second] = anyOf;
    if (first !== undefined && second?.items !== undefined) return `${typeOf(first)}, or a list of them`;
    return anyOf.map(typeOf).join(" or ");
  }
  if (items !== undefined) {
    const each = limitsOf(items).map((limit) => `${limit} each`);
    return [`list of ${items.title ?? nameOf(items)}s`, ...each].join(", ");
  }
  return [title ?? nameOf(shape), ...limitsOf(shape)].join(", ");
}

function nameOf({ type = "value" }: Shape): string {
  return [type].flat().join(" or ");
}

function limitsOf({ minimum, maximum, maxLength, minLength, exclusiveMinimum }: Shape): string[] {
  if (maxLength !== undefined)
    return [`${minLength === undefined ? "at most" : `${minLength} to`} ${maxLength} characters`];
  // zod adds the limits of safe integers by itself: do not show them.
  const most = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (minimum !== undefined) return [most === undefined ? `from ${minimum}` : `${minimum} to ${most}`];
  const limits = exclusiveMinimum === undefined ? [] : [`above ${exclusiveMinimum}`];
  return most === undefined ? limits : [...limits, `up to ${most}`];
}
