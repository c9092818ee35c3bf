import assert from "node:assert/strict";

/** A placeholder for a random value in an expected reply. */
export class Matcher {
  readonly what: string;
  readonly fits: (value: unknown) => boolean;

  constructor(what: string, fits: (value: unknown) => boolean) {
    this.what = what;
    this.fits = fits;
  }
}

/** Asserts that a reply equals the expected one, with matchers for random values. */
export function assertReply(actual: unknown, expected: unknown): void {
  assert.deepEqual(actual, filled(expected, actual));
}

/** The expected value, in which each matcher is replaced by the actual value that it accepts. */
function filled(expected: unknown, actual: unknown): unknown {
  if (expected instanceof Matcher) return expected.fits(actual) ? actual : `<${expected.what}>`;
  if (Array.isArray(expected)) return expected.map((value, index) => filled(value, memberOf(actual, index)));
  if (typeof expected !== "object" || expected === null) return expected;
  return Object.fromEntries(
    Object.entries(expected).map(([key, value]) => [key, filled(value, memberOf(actual, key))]),
  );
}

function memberOf(value: unknown, key: string | number): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return new Map<string, unknown>(Object.entries(value)).get(String(key));
}
