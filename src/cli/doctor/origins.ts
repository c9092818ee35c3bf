import type { Origins } from "../../config/load.ts";
import { type Finding, findingsOn } from "./finding.ts";

const on = findingsOn("configuration");

/** Sections that are always reported: every installation needs a broker and a database. */
const ALWAYS = ["amqp_settings", "db_settings"];

/** Reports which file, variable or URL sets each key, one line per section; never a value. */
export function originFindings({ given, sources, unused }: Origins): Finding[] {
  const sections = [...new Set([...ALWAYS, ...Object.keys(given)])];
  return [
    ...sections.map((section) => on.ok(`${section}: ${describe(section, given[section], sources)}`)),
    ...unused.map((name) => on.ok(`${name} is set but not used: other settings override it`)),
  ];
}

function describe(section: string, value: unknown, sources: Origins["sources"]): string {
  if (typeof value !== "object" || value === null) return "all by default";
  const byOrigin = Map.groupBy(Object.keys(value), (key) => originOf(section, key, sources));
  const parts = Array.from(byOrigin, ([origin, keys]) => `${keys.join(", ")} from ${origin}`);
  if (parts.length === 0) return "all by default";
  return Array.isArray(value) ? parts.join("; ") : [...parts, "the rest by default"].join("; ");
}

function originOf(section: string, key: string, sources: Origins["sources"]): string {
  const path = `${section}.${key}`;
  const whole = sources.get(path) ?? sources.get(section);
  // A variable may override a part of a key that the file or another variable sets.
  const names = [...sources].filter(([one]) => one.startsWith(`${path}.`)).map(([, { name }]) => name);
  if (whole !== undefined) names.unshift(whole.name);
  return names.length === 0 ? "the file" : names.join(" and ");
}
