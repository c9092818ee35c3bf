import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseJson } from "../../src/wire/json.ts";

test("a text without duplicate members is parsed like JSON.parse", () => {
  fc.assert(
    fc.property(fc.json(), (text) => assert.deepEqual(parseJson(text), JSON.parse(text))),
    { numRuns: 2000 },
  );
});

test("duplicate members are rejected at every level and in every spelling", () => {
  for (const text of [
    '{"a":1,"a":1}',
    '{"a":1,"b":{"c":[{"d":1,"d":2}]}}',
    '{"a":1,"\\u0061":2}',
    '{"__proto__":1,"__proto__":2}',
    '{"":1,"":2}',
    '[[{"a":{},"a":[]}]]',
  ])
    assert.throws(() => parseJson(text), SyntaxError, text);
});

test("equal names in different objects or inside strings are not duplicates", () => {
  for (const text of [
    '{"a":{"a":1},"b":{"a":1}}',
    '[{"a":1},{"a":1}]',
    '{"a":"\\"a\\":1,{[","b":":::"}',
    '{"a\\\\":":","a":"\\\\"}',
    '{"__proto__":1,"constructor":2}',
  ])
    assert.deepEqual(parseJson(text), JSON.parse(text));
});

test("nesting is limited to maxDepth, and brackets inside strings do not count", () => {
  const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
  assert.deepEqual(parseJson(nested(32), 32), JSON.parse(nested(32)));
  assert.throws(() => parseJson(nested(33), 32), SyntaxError);
  assert.deepEqual(parseJson('["[[[[{{{{"]', 1), ["[[[[{{{{"]);
  assert.throws(() => parseJson("[".repeat(60_000), 32), SyntaxError);
});
