import { z } from "zod";
import type { Faults } from "./fault.ts";

/** A value without its invalid parts. Lists keep their indexes. */
export type Parts<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Member)[]
    ? readonly (Parts<Member> | undefined)[]
    : { readonly [Key in keyof T]?: Parts<T[Key]> | undefined };

/**
 * Validates each part of a value separately, so that no fault hides another; returns the valid parts with defaults. An
 * absent part is not a fault if `faults` already marks its value as unknown.
 */
export function readParts(schema: z.core.$ZodType, given: unknown, path: string, faults: Faults): unknown {
  if (given === undefined && faults.has(path)) return undefined;
  const inner = unwrap(schema);
  if (given === undefined || !isComposite(inner)) return readLeaf(schema, given, path, faults);
  if (inner instanceof z.ZodUnion) {
    const { options } = inner;
    const option = options.find((one) => accepts(unwrap(one), given));
    if (option !== undefined) return readParts(option, given, path, faults);
    faults.push({ path, msg: wrongType(options.map((one) => nameOf(unwrap(one))).join(" or "), given) });
    return undefined;
  }
  if (!accepts(inner, given) || typeof given !== "object" || given === null) {
    faults.push({ path, msg: wrongType(nameOf(inner), given) });
    return undefined;
  }
  const parts = readMembers(inner, given, path, faults);
  // Rules for the whole, for example the minimum length of a list, need all members.
  if (!faults.isBelow(path)) readLeaf(inner, given, path, faults);
  return parts;
}

type Composite = z.ZodObject | z.ZodArray | z.ZodRecord | z.ZodUnion;

function isComposite(schema: z.core.$ZodType): schema is Composite {
  return [z.ZodObject, z.ZodArray, z.ZodRecord, z.ZodUnion].some((kind) => schema instanceof kind);
}

function readMembers(schema: z.core.$ZodType, given: object, path: string, faults: Faults): unknown {
  if (schema instanceof z.ZodArray && Array.isArray(given)) {
    const { element } = schema;
    // A list from variables may have holes, which map() would skip.
    return Array.from(given, (member, index) => readParts(element, member, `${path}.${index}`, faults));
  }
  const members = new Map<string, unknown>(Object.entries(given));
  if (schema instanceof z.ZodRecord) {
    const { keyType, valueType } = schema;
    return Object.fromEntries(
      Array.from(members, ([key, member]) => {
        const at = `${path}.${key}`;
        const { error } = z.safeParse(keyType, key);
        const [issue] = error?.issues ?? [];
        if (issue !== undefined)
          faults.push({ path: at, msg: issue.code === "invalid_value" ? "unknown key" : issue.message });
        return [key, readParts(valueType, member, at, faults)];
      }),
    );
  }
  if (!(schema instanceof z.ZodObject)) return undefined;
  const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
  const keys = Object.keys(shape);
  for (const key of members.keys())
    if (!keys.includes(key)) faults.push({ path: `${path}.${key}`, msg: unknownKey("key", key, keys) });
  return Object.fromEntries(
    Object.entries(shape).map(([key, part]) => [
      key,
      readParts(part, members.get(key), `${path}.${key}`, faults),
    ]),
  );
}

function readLeaf(schema: z.core.$ZodType, given: unknown, path: string, faults: Faults): unknown {
  const { data, error } = z.safeParse(schema, given);
  for (const issue of error?.issues ?? []) {
    const at = [path, ...issue.path].join(".");
    faults.push({ path: at, msg: describeIssue(issue, given) });
  }
  return data;
}

/** Describes an issue of zod without the value, which may be a secret. */
function describeIssue(issue: z.core.$ZodIssue, given: unknown): string {
  if (issue.code !== "invalid_type") return issue.message;
  if (given === undefined) return "is missing";
  const { expected } = issue;
  return wrongType(TYPES[expected] ?? expected, given);
}

/** Describes an unknown name and suggests a similar known one. */
export function unknownKey(what: string, name: string, known: readonly string[]): string {
  const near = known.find((one) => distance(one, name) <= (one.length < 5 ? 1 : 2));
  return near === undefined ? `unknown ${what}` : `unknown ${what}; did you mean ${near}?`;
}

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
};

function wrongType(wanted: string, given: unknown): string {
  const isQuoted =
    typeof given === "string" &&
    ((/number/.test(wanted) && /^-?\d+(?:\.\d+)?$/.test(given)) ||
      (wanted === TYPES["boolean"] && /^(?:true|false)$/.test(given)));
  return `must be ${wanted}, not ${typeOf(given)}${isQuoted ? ": write it without quotes" : ""}`;
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  return typeof value === "number" && !Number.isInteger(value) ? "a fraction" : `a ${typeof value}`;
}

function nameOf(schema: z.core.$ZodType): string {
  return TYPES[schema._zod.def.type] ?? schema._zod.def.type;
}

function accepts(schema: z.core.$ZodType, given: unknown): boolean {
  if (schema instanceof z.ZodArray) return Array.isArray(given);
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord)
    return typeof given === "object" && given !== null && !Array.isArray(given);
  return schema instanceof z.ZodString ? typeof given === "string" : true;
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
    ? unwrap(schema.unwrap())
    : schema;
}

/** The Levenshtein distance; infinite if the lengths differ by more than 2. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of Array.from(a).entries()) {
    const next = [i + 1];
    for (const [j, other] of Array.from(b).entries())
      next.push(
        Math.min((row[j] ?? 0) + Number(letter !== other), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1),
      );
    row = next;
  }
  return row.at(-1) ?? 0;
}
