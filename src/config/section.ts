import type { Faults } from "./fault.ts";
import { type Parts, readParts } from "./parts.ts";
import { SECTIONS, type Settings } from "./schema.ts";

/** A section of the configuration after its schema was applied, part by part. */
export interface Section<Name extends keyof Settings> {
  /** The valid parts with their defaults; undefined where the section is absent, or is no object or list at all. */
  readonly parts: Parts<Settings[Name]> | undefined;
  /** The section, where it has no fault of its own; checks across keys may still find one. */
  readonly whole: Settings[Name] | undefined;
}

/** Validates every section but those to skip; the faults of all of them go into `faults`. */
export function readSections(
  raw: Readonly<Record<string, unknown>>,
  faults: Faults,
  skipped: readonly (keyof Settings)[],
): <Name extends keyof Settings>(name: Name) => Section<Name> {
  const all = Object.keys(SECTIONS) as (keyof Settings)[]; // whose keys they are
  const names = all.filter((name) => !skipped.includes(name));
  const sections = new Map(names.map((name) => [name, readSection(name, raw[name], faults)]));
  // TypeScript does not correlate a key with its value.
  return (name) => sections.get(name) as never;
}

/** A copy without some keys. */
export function omit<T extends object, Key extends keyof T>(value: T, keys: readonly Key[]): Omit<T, Key> {
  const left = Object.entries(value).filter(([key]) => !keys.some((one) => one === key));
  return Object.fromEntries(left) as Omit<T, Key>; // all keys of T but those
}

function readSection(name: keyof Settings, given: unknown, faults: Faults): object {
  const parts = readParts(SECTIONS[name], given, name, faults);
  const { data: whole, error } = SECTIONS[name].safeParse(given);
  // The schema as a whole has the last word: a rule that the parts do not know must not be lost.
  if (error !== undefined && !faults.has(name))
    for (const { path, message } of error.issues)
      faults.push({ path: [name, ...path].join("."), msg: message });
  return { parts, whole };
}
