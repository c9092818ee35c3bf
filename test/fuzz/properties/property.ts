import assert from "node:assert/strict";
import fc from "fast-check";

/** Something that holds for every input, in this process and without a broker. */
export interface Property {
  /** A sentence. */
  readonly name: string;
  readonly property: fc.IAsyncProperty<unknown>;
  /** Inputs of one round. */
  readonly runs: number;
}

/** A property that throws when it does not hold. */
export function holds<T>(
  name: string,
  runs: number,
  source: fc.Arbitrary<T>,
  check: (value: T) => void | Promise<void>,
): Property {
  const property = fc.asyncProperty(source, async (value) => {
    await check(value);
    // What one input leaves on all objects would be seen by every later request.
    assert.deepEqual(Object.keys(Object.prototype), []);
  });
  return { name, property, runs };
}
