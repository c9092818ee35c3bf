import assert from "node:assert/strict";
import { createSecretKey, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { createFingerprints } from "../../src/tokens/fingerprint.ts";
import { deriveRecoveryCodes, digestOfRecoveryCode } from "../../src/tokens/recovery-codes.ts";

const newFingerprints = () => createFingerprints(createSecretKey(randomBytes(64)));
const fingerprints = newFingerprints();
const derive = (seed = randomBytes(32).toString("base64url")) => deriveRecoveryCodes(fingerprints, seed);
const isSame = (one: string, other: string): boolean =>
  digestOfRecoveryCode(one).equals(digestOfRecoveryCode(other));

describe("recovery codes", () => {
  test("are ten codes of six groups, without letters that people confuse", () => {
    for (let n = 0; n < 50; n++) {
      const codes = derive();
      assert.equal(codes.length, 10);
      for (const code of codes) assert.match(code, /^(?:[0-9a-hjkmnp-tv-z]{4}-){5}[0-9a-hjkmnp-tv-z]{4}$/);
    }
  });

  test("are all different, and use each of the 32 digits equally often at each place: 120 bits", () => {
    const codes = Array.from({ length: 400 }, () => derive()).flat();
    assert.equal(new Set(codes).size, codes.length);
    for (let place = 0; place < 24; place++) {
      const counts = new Map<string, number>();
      for (const code of codes) {
        const digit = code.replaceAll("-", "").charAt(place);
        counts.set(digit, (counts.get(digit) ?? 0) + 1);
      }
      assert.equal(counts.size, 32);
      // 125 expected, standard deviation 11: seven of them are one failure in 10^9 runs.
      for (const [digit, count] of counts)
        assert.ok(Math.abs(count - 125) < 77, `${digit} at ${place}: ${count} times`);
    }
  });

  test("are the same for the same seed, and others for another signing key", () => {
    const seed = randomBytes(32).toString("base64url");
    assert.deepEqual(derive(seed), derive(seed));
    const others = deriveRecoveryCodes(newFingerprints(), seed);
    assert.deepEqual(
      derive(seed).filter((code) => others.includes(code)),
      [],
    );
  });

  test("are recognized in any case, with any hyphens and spaces, and with o, i and l for digits", () => {
    const code = "7h2k-9qwe-m4zx-0r15";
    for (const typed of [
      code.toUpperCase(),
      "7h2k9qwem4zx0r15",
      " 7h2k 9qwe\tm4zx\n0r15 ",
      "7-h-2-k-9-q-w-e-m-4-z-x-0-r-1-5",
      "7h2k-9qwe-m4zx-or15",
      "7H2K-9QWE-M4ZX-ORI5",
      "7h2k-9qwe-m4zx-0rl5",
      "7h2k-9qwe-m4zx-0rL5",
    ])
      assert.ok(isSame(code, typed), typed);
  });

  test("are different after any other change", () => {
    const code = "7h2k-9qwe-m4zx-0r15";
    for (const typed of [
      "",
      code.slice(1),
      `${code}0`,
      "7h2k-9qwe-m4zx-0r16",
      "h72k-9qwe-m4zx-0r15",
      `${code}\0`,
    ])
      assert.ok(!isSame(code, typed), JSON.stringify(typed));
  });
});
