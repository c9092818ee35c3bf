import assert from "node:assert/strict";
import fc from "fast-check";

/** A property that is checked for many inputs, in this process and without a broker. */
export interface Property {
  /** A sentence. */
  readonly name: string;
  readonly property: fc.IAsyncProperty<unknown>;
  /** Number of inputs of one round. */
  readonly runs: number;
}

/** Creates a property whose check throws if it does not hold. */
export function holds<T>(
  name: string,
  runs: number,
  source: fc.Arbitrary<T>,
  check: (value: T) => void | Promise<void>,
): Property {
  const property = fc.asyncProperty(source, async (value) => {
    await check(value);
    // An input that pollutes Object.prototype would affect every later request.
    assert.deepEqual(Object.keys(Object.prototype), []);
  });
  return { name, property, runs };
}
