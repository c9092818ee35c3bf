import { readFileSync } from "node:fs";
import { z } from "zod";
import { parseJson } from "../wire/json.ts";
import { BadSetting, type Faults, describeFileError } from "./fault.ts";
import { configSchema } from "./schema.ts";

const PREFIX = "AUTHMQ__";
const FILE_SUFFIX = "_file";

/** How a list begins that may be a text instead: [::1] is a text. */
const LIST = /^\s*\[\s*["\]]/;

/** How a value that is no text is written. */
const JSON_TYPES: Readonly<Record<string, string>> = {
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list in JSON",
  object: "an object in JSON",
};

/** The part of JSON Schema that says how a text from the environment is read. */
interface Shape {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  /** A key that may be one text or a list of them. */
  readonly anyOf?: readonly Shape[];
  /** The keys of a record, and what each of them is. */
  readonly propertyNames?: { readonly enum?: readonly string[] };
  readonly additionalProperties?: Shape | false;
}

/** The keys that exist, and of what type each one is. */
const ROOT: Shape = z
  .looseObject({ type: z.string() })
  .transform((schema): Shape => schema)
  .parse(z.toJSONSchema(configSchema, { io: "input" }));

/**
 * Lays `AUTHMQ__SECTION__KEY=value` over the raw configuration; `..._FILE` takes the value from a file.
 * A list or object is given as JSON, a list's member by its index. Faults carry the variable's name, and `sources` has
 * the variable of each path that one sets.
 */
export function overlayEnvironment(
  raw: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
  faults: Faults,
): { raw: Record<string, unknown>; sources: Map<string, string> } {
  const result = structuredClone(raw) as Record<string, unknown>; // a clone of a JSON object is one
  const sources = new Map<string, string>();
  // A whole section first, then its keys: the order of the environment must not matter.
  const variables = Object.entries(env).sort(([a], [b]) => a.split("__").length - b.split("__").length);
  for (const [name, text] of variables) {
    if (!name.startsWith(PREFIX) || text === undefined) continue;
    const target = findKey(name);
    if (target === undefined) {
      faults.pushFrom(name, "names no key of the configuration: docs/configuration.md lists them");
      continue;
    }
    const { path, shape, fromFile } = target;
    const key = path.join(".");
    const other = sources.get(key);
    if (other !== undefined) {
      faults.pushFrom(name, `sets the same key as ${other}: give one of them`, [key]);
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
    // Also what has no value makes the objects around it, so that what else is missing in them is found.
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
  let shape: Shape | undefined = ROOT;
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
    // Its path stays out: it may be the secret itself.
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
  assign(target[key] as Record<string, unknown>, rest, value, faults, place); // made or seen to be an object above
}
