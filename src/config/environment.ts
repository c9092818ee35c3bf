import { readFileSync } from "node:fs";
import { z } from "zod";
import { parseJson } from "../wire/json.ts";
import { BadSetting, type Faults, describeFileError } from "./fault.ts";
import { configSchema } from "./schema.ts";

const PREFIX = "AUTHMQ__";
const FILE_SUFFIX = "_file";

/** Matches a JSON list, but not a text like [::1]. */
const LIST = /^\s*\[\s*["\]]/;

/** How to write a value that is not a string. */
const JSON_TYPES: Readonly<Record<string, string>> = {
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list in JSON",
  object: "an object in JSON",
};

/** The part of JSON Schema that determines how a variable is parsed. */
interface Shape {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  /** For keys that accept a string or a list of strings. */
  readonly anyOf?: readonly Shape[];
  /** The allowed keys of a record. */
  readonly propertyNames?: { readonly enum?: readonly string[] };
  readonly additionalProperties?: Shape | false;
}

let settings: Shape | undefined;

/** All settings and their types. Computed at the first use: this takes longer than reading a configuration file. */
function allSettings(): Shape {
  settings ??= z
    .looseObject({ type: z.string() })
    .transform((schema): Shape => schema)
    .parse(z.toJSONSchema(configSchema, { io: "input" }));
  return settings;
}

/**
 * Applies `AUTHMQ__SECTION__KEY=value` to the raw configuration; `..._FILE` reads the value from a file. Lists and
 * objects are JSON; a list item has its index as key. Faults name the variable; `sources` maps paths to variables.
 */
export function overlayEnvironment(
  raw: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
  faults: Faults,
): { raw: Record<string, unknown>; sources: Map<string, string> } {
  const result = structuredClone(raw) as Record<string, unknown>; // the clone is a new object
  const sources = new Map<string, string>();
  // Apply whole sections before single keys: the order of variables must not matter.
  const variables = Object.entries(env).sort(([a], [b]) => a.split("__").length - b.split("__").length);
  for (const [name, text] of variables) {
    if (!name.startsWith(PREFIX) || text === undefined) continue;
    const target = findKey(name);
    if (target === undefined) {
      faults.pushFrom(name, "is not a known setting: see docs/configuration.md");
      continue;
    }
    const { path, shape, fromFile } = target;
    const key = path.join(".");
    const other = sources.get(key);
    if (other !== undefined) {
      faults.pushFrom(name, `sets the same key as ${other}: remove one of them`, [key]);
      continue;
    }
    sources.set(key, name);
    let value: unknown;
    try {
      value = parse(fromFile ? readSecretFile(text) : text, shape);
    } catch (error) {
      if (!(error instanceof BadSetting)) throw error;
      faults.pushFrom(name, error.message, [key]);
    }
    // Create the parent objects even if the value is invalid, so that their other missing keys are reported.
    assign(result, path, value, faults);
  }
  return { raw: result, sources };
}

function findKey(name: string): { path: string[]; shape: Shape; fromFile: boolean } | undefined {
  const path = name.slice(PREFIX.length).toLowerCase().split("__");
  const shape = shapeAt(path);
  if (shape !== undefined) return { path, shape, fromFile: false };
  const last = path.at(-1) ?? "";
  if (last.endsWith(FILE_SUFFIX)) {
    const target = [...path.slice(0, -1), last.slice(0, -FILE_SUFFIX.length)];
    const targetShape = shapeAt(target);
    if (targetShape !== undefined) return { path: target, shape: targetShape, fromFile: true };
  }
  return undefined;
}

function shapeAt(path: readonly string[]): Shape | undefined {
  let shape: Shape | undefined = allSettings();
  for (const key of path) {
    const list: Shape | undefined =
      shape?.items ?? shape?.anyOf?.find(({ items }) => items !== undefined)?.items;
    if (list !== undefined && /^\d{1,3}$/.test(key)) shape = list;
    else shape = propertyOf(shape, key);
  }
  return shape;
}

function propertyOf(shape: Shape | undefined, key: string): Shape | undefined {
  if (Object.hasOwn(shape?.properties ?? {}, key)) return shape?.properties?.[key];
  const isMember = shape?.propertyNames?.enum?.includes(key) === true;
  return isMember && shape.additionalProperties !== false ? shape.additionalProperties : undefined;
}

function readSecretFile(path: string): string {
  try {
    return readFileSync(path, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    // Do not show the path: it may be the secret itself.
    throw new BadSetting(`cannot read the file: ${describeFileError(error)}`);
  }
}

function parse(text: string, shape: Shape): unknown {
  const mayBeText = shape.anyOf?.some(({ type }) => type === "string") === true;
  if (shape.type === "string" || (mayBeText && !LIST.test(text))) return text;
  try {
    return parseJson(text);
  } catch {
    throw new BadSetting(
      `must be ${shape.type === undefined ? "JSON" : (JSON_TYPES[shape.type] ?? shape.type)}`,
    );
  }
}

function assign(
  target: Record<string, unknown>,
  path: readonly string[],
  value: unknown,
  faults: Faults,
  parents: readonly string[] = [],
): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const inner = target[key];
  const isList = /^\d+$/.test(rest[0] ?? "");
  const place = [...parents, key];
  if (typeof inner !== "object" || inner === null || Array.isArray(inner) !== isList) {
    if (inner !== undefined)
      faults.push({ path: place.join("."), msg: `must be ${isList ? "a list" : "an object"}` });
    target[key] = isList ? [] : {};
  }
  assign(target[key] as Record<string, unknown>, rest, value, faults, place); // an object, see above
}
