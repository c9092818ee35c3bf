import fc from "fast-check";
import type { FuzzCounts } from "../counts.ts";
import { mix } from "../hash-numbers.ts";
import { ADDRESSES } from "./addresses.ts";
import { CONFIGURATION } from "./configuration.ts";
import { DECODING } from "./decoding.ts";
import { FRAMES } from "./frames.ts";
import { LDAP } from "./ldap.ts";
import type { Property } from "./property.ts";
import { tokenProperties } from "./tokens.ts";

/** All properties that are checked in this process. */
export async function openProperties(): Promise<readonly Property[]> {
  return [...DECODING, ...(await tokenProperties()), ...ADDRESSES, ...CONFIGURATION, ...FRAMES, ...LDAP];
}

/** Each round runs this fraction of a test's inputs, because the queues need most of the time. */
const SHARE = 8;

/** Checks every property with the inputs of a round. */
export async function checkProperties(
  properties: readonly Property[],
  counts: FuzzCounts,
  seed: number,
  round: number,
): Promise<void> {
  for (const [index, { name, property, runs }] of properties.entries()) {
    const line = counts.properties.get(name) ?? { runs: 0, findings: 0 };
    counts.properties.set(name, line);
    const details = await fc.check(property, {
      seed: mix(seed, round, -1, index),
      numRuns: Math.ceil(runs / SHARE),
    });
    line.runs += details.numRuns;
    if (!details.failed) continue;
    line.findings++;
    if (!counts.note(name, undefined)) continue;
    const detail = fc.defaultReportMessage(details);
    const nothing = { queue: undefined, input: undefined, smallest: undefined };
    counts.reports.push({ kind: name, detail, ...nothing, target: "in process", round });
  }
}
