import assert from "node:assert/strict";
import { test } from "node:test";
import { isWithinLifetime } from "../../src/tokens/claims.ts";

const now = 1_000_000;
const good = { iat: now, nbf: now, exp: now + 300 };

test("a token is valid until 30 seconds after its exp", () => {
  assert.equal(isWithinLifetime(good, now), true);
  assert.equal(isWithinLifetime({ ...good, exp: now - 29.9 }, now), true);
  assert.equal(isWithinLifetime({ ...good, exp: now - 30 }, now), false);
});

test("a token is valid from 30 seconds before its iat and nbf", () => {
  for (const name of ["iat", "nbf"]) {
    assert.equal(isWithinLifetime({ ...good, [name]: now + 30 }, now), true);
    assert.equal(isWithinLifetime({ ...good, [name]: now + 30.1 }, now), false);
  }
});
