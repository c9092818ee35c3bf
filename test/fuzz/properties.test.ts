import { test } from "node:test";
import fc from "fast-check";
import { openProperties } from "./properties/index.ts";

/** Always the same inputs; `make fuzz` uses random ones. */
const SEED = 1;

for (const { name, property, runs } of await openProperties())
  test(name, () => fc.assert(property, { seed: SEED, numRuns: runs }));
