import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BadSetting } from "../../src/config/fault.ts";
import { DEFAULT_PATTERNS, fullMatch, isLinear } from "../../src/config/patterns.ts";
import { faultsOf } from "./faults-of.ts";

/** Patterns with exponential backtracking, and a text that triggers it. */
const EXPONENTIAL = [
  ["(a+)+", `${"a".repeat(100)}!`],
  ["(a|a)*", `${"a".repeat(100)}!`],
  ["(a|aa)+", `${"a".repeat(100)}!`],
  ["(?:a?){50}a{50}", `${"a".repeat(99)}!`],
  ["(\\w+\\s?)*", `${"word ".repeat(19)}!`],
  ["^(([a-z])+.)+[A-Z]([a-z])+$", "a".repeat(100)],
] as const;

test("the built-in patterns take linear time", () => {
  for (const source of Object.values(DEFAULT_PATTERNS))
    assert.ok(isLinear(new RegExp(`^(?:${source})$`, "u")), source);
});

test("a pattern with exponential backtracking runs on a linear engine", () => {
  for (const [source, text] of EXPONENTIAL) {
    const pattern = fullMatch(source);
    assert.ok(!(pattern instanceof RegExp), source);
    assert.equal(pattern.test(text), false, source);
  }
});

test("a linear pattern runs as a JavaScript RegExp, even with lookaheads", () => {
  const pattern = fullMatch("(?=.*[A-Z])(?=.*[0-9])(?!admin).{8,72}");
  assert.ok(pattern instanceof RegExp, "it runs on the linear engine");
  assert.deepEqual(
    ["Abcdefg1", "abcdefg1", "adminABC1", "Abc1"].map((text) => pattern.test(text)),
    [true, false, false, false],
  );
});

test("both engines match whole values, with the same results", () => {
  const pairs = [
    ["[^@]+@[^@]+\\.[^@]+", /^[^@]+@[^@]+\.[^@]+$/u],
    [".+@.+", /^.+@.+$/u],
    ["(a|ab)(c|bcd)*", /^(a|ab)(c|bcd)*$/u],
  ] as const;
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c", "d", "@", "."), maxLength: 12 });
  for (const [source, expected] of pairs)
    fc.assert(
      fc.property(text, (value) => assert.equal(fullMatch(source).test(value), expected.test(value), value)),
      { numRuns: 500 },
    );
  for (const source of [".+@.+", "[a-z]+"]) {
    assert.equal(fullMatch(source).test("a@b\n"), false);
    assert.equal(fullMatch(source).test("abc\n"), false);
  }
});

test("a pattern with exponential backtracking that RE2 does not support is a fault", () => {
  for (const source of ["(?=.*[0-9])(a+)+", "([a-z]+)@(\\1)+", "(?=(a+)+b).*"]) {
    assert.throws(() => fullMatch(source), BadSetting, source);
    const faults = faultsOf({ app_config: { email_regex: source } });
    assert.deepEqual(Object.keys(faults), ["app_config.email_regex"]);
    assert.match(faults["app_config.email_regex"] ?? "", /^may take very long for some values/);
  }
});

test("Python and POSIX syntax is a fault that names the JavaScript alternative", () => {
  const expected = {
    "(?P<user>[a-z]+)": "(?<name>...)",
    "(?P<a>x)(?P=a)": "(?<name>...)",
    "\\A[a-z]+\\Z": "remove them",
    "(?i)[a-z]+": "(?i:...)",
    "[a-z]+(?#letters)": "no comments",
    "(a)?(?(1)b|c)": "no conditions",
    "[a-z]{,30}": "{0,n}",
    "[a-z]++": "possessive",
    "(?>a+)b": "atomic",
    "[[:alpha:]]+": "POSIX",
    "[a-z]+\\@[a-z]+": "allows a backslash only before",
  };
  for (const [source, advice] of Object.entries(expected)) {
    const faults = faultsOf({ app_config: { username_regex: source } });
    assert.deepEqual(Object.keys(faults), ["app_config.username_regex"]);
    const msg = faults["app_config.username_regex"] ?? "";
    assert.ok(msg.includes(advice), `${source}: ${msg}`);
  }
});
