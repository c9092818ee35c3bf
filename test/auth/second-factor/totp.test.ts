import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, test } from "node:test";
import { createTotpSecret, describeTotp, findTotpStep } from "../../../src/auth/second-factor/totp.ts";

/** RFC 6238 appendix B, SHA-1: seconds, time step, and the code of eight digits. */
const VECTORS = [
  [59, 0x1, "94287082"],
  [1111111109, 0x23523ec, "07081804"],
  [1111111111, 0x23523ed, "14050471"],
  [1234567890, 0x273ef07, "89005924"],
  [2000000000, 0x3f940aa, "69279037"],
  [20000000000, 0x27bc86aa, "65353130"],
] as const;

const SECRET = Buffer.from("12345678901234567890");

describe("TOTP", () => {
  test("accepts the codes of RFC 6238 appendix B at their times, and returns the time step", () => {
    // A code of six digits is the end of the code of eight (RFC 4226 section 5.3).
    for (const [seconds, step, code] of VECTORS)
      assert.equal(findTotpStep(SECRET, code.slice(2), seconds * 1000), step, String(seconds));
  });

  test("rejects a code of RFC 6238 for another secret, and with the digits at its start", () => {
    for (const [seconds, , code] of VECTORS) {
      assert.equal(
        findTotpStep(Buffer.from("12345678901234567891"), code.slice(2), seconds * 1000),
        undefined,
      );
      assert.equal(findTotpStep(SECRET, code.slice(0, 6), seconds * 1000), undefined);
      assert.equal(findTotpStep(SECRET, code, seconds * 1000), undefined, "eight digits");
    }
  });

  test("accepts a code one step early and one step late, and no more", () => {
    const [seconds, step, code] = VECTORS[3];
    const start = step * 30_000;
    assert.ok(start <= seconds * 1000 && seconds * 1000 < start + 30_000, "the vector is not of this step");
    const accepted = [start - 30_000, start - 1, start, start + 29_999, start + 30_000, start + 59_999];
    for (const now of accepted)
      assert.equal(findTotpStep(SECRET, code.slice(2), now), step, String(now - start));
    for (const now of [start - 30_001, start + 60_000, start - 86_400_000, start + 86_400_000])
      assert.equal(findTotpStep(SECRET, code.slice(2), now), undefined, String(now - start));
  });

  test("rejects everything but six digits", () => {
    const [seconds, , code] = VECTORS[0];
    const right = code.slice(2);
    for (const text of [
      "",
      right.slice(1),
      `0${right}`,
      `${right} `,
      ` ${right}`,
      `+${right.slice(1)}`,
      "abcdef",
    ])
      assert.equal(findTotpStep(SECRET, text, seconds * 1000), undefined, JSON.stringify(text));
  });

  test("accepts the code that an independent implementation computes for a new secret, now", () => {
    for (let n = 0; n < 50; n++) {
      const secret = createTotpSecret();
      const step = Math.floor(Date.now() / 30_000);
      assert.equal(findTotpStep(secret, hotp(secret, step), step * 30_000 + 15_000), step);
    }
  });

  test("a secret has 160 random bits", () => {
    const secrets = Array.from({ length: 100 }, createTotpSecret);
    assert.deepEqual([...new Set(secrets.map(({ length }) => length))], [20]);
    assert.equal(new Set(secrets.map((secret) => secret.toString("hex"))).size, 100);
  });

  test("the URI names issuer and account, however they are spelled, and has the secret in base32", () => {
    for (const [issuer, username] of [
      ["Example", "alice"],
      ["Example & Söhne: Wien", "alice/../?secret=x&issuer=y#z"],
    ] as const) {
      const { secret, uri } = describeTotp(SECRET, { issuer, username });
      assert.equal(secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
      const { protocol, host, pathname, searchParams, hash } = new URL(uri);
      assert.deepEqual([protocol, host, hash], ["otpauth:", "totp", ""]);
      assert.equal(decodeURIComponent(pathname), `/${issuer}:${username}`);
      assert.deepEqual(Object.fromEntries(searchParams), {
        issuer,
        secret,
        algorithm: "SHA1",
        digits: "6",
        period: "30",
      });
    }
  });
});

/** RFC 4226 section 5.3, with six digits. */
function hotp(secret: Uint8Array, counter: number): string {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(counter));
  const mac = createHmac("sha1", secret).update(message).digest();
  const offset = mac.readUInt8(19) & 0xf;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}
