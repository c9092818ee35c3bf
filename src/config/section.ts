import type { Faults } from "./fault.ts";
import { type Parts, readParts } from "./parts.ts";
import { SECTIONS, type Settings } from "./schema.ts";

/** A section of the configuration, validated part by part. */
export interface Section<Name extends keyof Settings> {
  /** The valid parts with defaults; undefined if the section is absent or has the wrong JSON type. */
  readonly parts: Parts<Settings[Name]> | undefined;
  /** The whole section; undefined if it has faults. Checks across keys may still find some. */
  readonly whole: Settings[Name] | undefined;
}

/** Validates all sections that are not `skipped`; adds their faults to `faults`. */
export function readSections(
  raw: Readonly<Record<string, unknown>>,
  faults: Faults,
  skipped: readonly (keyof Settings)[],
): <Name extends keyof Settings>(name: Name) => Section<Name> {
  const all = Object.keys(SECTIONS) as (keyof Settings)[]; // SECTIONS has the keys of Settings
  const names = all.filter((name) => !skipped.includes(name));
  const sections = new Map(names.map((name) => [name, readSection(name, raw[name], faults)]));
  // TypeScript does not correlate a key with its value.
  return (name) => sections.get(name) as never;
}

/** A copy without some keys. */
export function omit<T extends object, Key extends keyof T>(value: T, keys: readonly Key[]): Omit<T, Key> {
  const left = Object.entries(value).filter(([key]) => !keys.some((one) => one === key));
  return Object.fromEntries(left) as Omit<T, Key>; // all keys of T except `keys`
}

function readSection(name: keyof Settings, given: unknown, faults: Faults): object {
  const parts = readParts(SECTIONS[name], given, name, faults);
  const { data: whole, error } = SECTIONS[name].safeParse(given);
  // Validate the whole section too: it may have rules that its parts do not have.
  if (error !== undefined && !faults.has(name))
    for (const { path, message } of error.issues)
      faults.push({ path: [name, ...path].join("."), msg: message });
  return { parts, whole };
}
