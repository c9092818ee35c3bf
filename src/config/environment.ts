import { readFileSync } from "node:fs";
import { z } from "zod";
import { BadSetting, collectFault, type ConfigFault, reasonOf } from "./fault.ts";
import { configSchema } from "./schema.ts";

const PREFIX = "AUTHMQ__";
const FILE_SUFFIX = "_file";

/** How a list begins that may be a text instead: [::1] is a text. */
const LIST = /^\s*\[\s*["\]]/;

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
 * A list or object is given as JSON, a list's member by its index. Faults carry the variable's name.
 */
export function overlayEnvironment(
  raw: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): { raw: Record<string, unknown>; faults: ConfigFault[] } {
  const faults: ConfigFault[] = [];
  const result = structuredClone(raw) as Record<string, unknown>; // a clone of a JSON object is one
  const seen = new Map<string, string>();
  // A whole section first, then its keys: the order of the environment must not matter.
  const variables = Object.entries(env).sort(([a], [b]) => a.split("__").length - b.split("__").length);
  for (const [name, text] of variables) {
    if (!name.startsWith(PREFIX) || text === undefined) continue;
    collectFault(faults, name, () => {
      const { path, shape, fromFile } = findKey(name);
      const key = path.join(".");
      const other = seen.get(key);
      if (other !== undefined) throw new BadSetting(`sets the same key as ${other}: give one of them`);
      seen.set(key, name);
      assign(result, path, parse(fromFile ? readSecretFile(text) : text, shape));
    });
  }
  return { raw: result, faults };
}

function findKey(name: string): { path: string[]; shape: Shape; fromFile: boolean } {
  const path = name.slice(PREFIX.length).toLowerCase().split("__");
  const shape = shapeAt(path);
  if (shape !== undefined) return { path, shape, fromFile: false };
  const last = path.at(-1) ?? "";
  if (last.endsWith(FILE_SUFFIX)) {
    const target = [...path.slice(0, -1), last.slice(0, -FILE_SUFFIX.length)];
    const targetShape = shapeAt(target);
    if (targetShape !== undefined) return { path: target, shape: targetShape, fromFile: true };
  }
  throw new BadSetting("names no key of the configuration");
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
    throw new BadSetting(`cannot read the file: ${reasonOf(error)}`);
  }
}

function parse(text: string, shape: Shape): unknown {
  const mayBeText = shape.anyOf?.some(({ type }) => type === "string") === true;
  if (shape.type === "string" || (mayBeText && !LIST.test(text))) return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new BadSetting(`must be ${shape.type === undefined ? "JSON" : `a JSON ${shape.type}`}`);
  }
}

function assign(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const inner = target[key];
  if (typeof inner !== "object" || inner === null) target[key] = /^\d+$/.test(rest[0] ?? "") ? [] : {};
  assign(target[key] as Record<string, unknown>, rest, value); // made or seen to be an object one line above
}
