import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseJson } from "../../src/wire/json.ts";

test("a text without doubled members is what JSON.parse makes of it", () => {
  fc.assert(
    fc.property(fc.json(), (text) => assert.deepEqual(parseJson(text), JSON.parse(text))),
    { numRuns: 2000 },
  );
});

test("a member that an object names twice is refused, wherever the object is and however the name is spelled", () => {
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

test("equal names in different objects, and names, colons and braces within texts, are no doubles", () => {
  for (const text of [
    '{"a":{"a":1},"b":{"a":1}}',
    '[{"a":1},{"a":1}]',
    '{"a":"\\"a\\":1,{[","b":":::"}',
    '{"a\\\\":":","a":"\\\\"}',
    '{"__proto__":1,"constructor":2}',
  ])
    assert.deepEqual(parseJson(text), JSON.parse(text));
});

test("a text may be as deep as is allowed, and no deeper; what stands in texts is not counted", () => {
  const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
  assert.deepEqual(parseJson(nested(32), 32), JSON.parse(nested(32)));
  assert.throws(() => parseJson(nested(33), 32), SyntaxError);
  assert.deepEqual(parseJson('["[[[[{{{{"]', 1), ["[[[[{{{{"]);
  assert.throws(() => parseJson("[".repeat(60_000), 32), SyntaxError);
});
