import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { deriveApiKey, formatApiKey, isApiKey } from "../../src/tokens/api-key.ts";
import type { Fingerprints } from "../../src/tokens/fingerprint.ts";

test("an API key has the documented form and a valid checksum", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      const key = formatApiKey(Buffer.from(bytes));
      assert.match(key, /^authmq_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
      assert.ok(isApiKey(key), key);
    }),
  );
});

test("a key with another character at any place is recognized as mistyped", () => {
  const key = formatApiKey(randomBytes(32));
  for (let at = 0; at < key.length; at++)
    for (const other of ["0", "Z", "a", "_"]) {
      if (key[at] === other) continue;
      const typo = key.slice(0, at) + other + key.slice(at + 1);
      assert.equal(isApiKey(typo), false, typo);
    }
});

test("different random bytes give different keys", () => {
  const keys = new Set(Array.from({ length: 1000 }, () => formatApiKey(randomBytes(32))));
  assert.equal(keys.size, 1000);
});

test("a key depends on the seed and on the installation's secret", () => {
  const fingerprints = (fill: number): Fingerprints => ({
    of: (_purpose, ...parts) => Buffer.alloc(32, fill ^ String(parts[0]).length),
  });
  assert.equal(deriveApiKey(fingerprints(1), "a"), deriveApiKey(fingerprints(1), "a"));
  assert.notEqual(deriveApiKey(fingerprints(1), "a"), deriveApiKey(fingerprints(1), "ab"));
  assert.notEqual(deriveApiKey(fingerprints(1), "a"), deriveApiKey(fingerprints(2), "a"));
});
