import assert from "node:assert/strict";

/** Stands in an expected reply for a value that is random. */
export class Matcher {
  readonly what: string;
  readonly fits: (value: unknown) => boolean;

  constructor(what: string, fits: (value: unknown) => boolean) {
    this.what = what;
    this.fits = fits;
  }
}

/** Asserts that a reply is exactly the expected one, but for what matchers stand for. */
export function assertReply(actual: unknown, expected: unknown): void {
  assert.deepEqual(actual, filled(expected, actual));
}

/** The expected value, with what a matcher takes in the matcher's place. */
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
