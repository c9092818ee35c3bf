import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalIp } from "../../src/procedures/ip.ts";

const byte = fc.nat(255);
const ipv4 = fc.tuple(byte, byte, byte, byte).map((bytes) => bytes.join("."));
/** Eight groups, often zero, so that they can be compressed. */
const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 });

test("an IPv4 address is its own canonical form", () => {
  fc.assert(fc.property(ipv4, (text) => assert.equal(canonicalIp(text), text)));
});

test("the canonical form of an IPv4-mapped IPv6 address is the IPv4 address, in every spelling", () => {
  fc.assert(
    fc.property(fc.tuple(byte, byte, byte, byte), (bytes) => {
      const plain = bytes.join(".");
      const [high, low] = [bytes[0] * 256 + bytes[1], bytes[2] * 256 + bytes[3]].map((n) => n.toString(16));
      const spellings = [
        `::ffff:${plain}`,
        `::FFFF:${plain}`,
        `0:0:0:0:0:ffff:${plain}`,
        `::ffff:${high}:${low}`,
        `0000:0000:0000:0000:0000:FFFF:${high?.padStart(4, "0")}:${low?.padStart(4, "0")}`,
      ];
      for (const spelling of spellings) assert.equal(canonicalIp(spelling), plain);
    }),
  );
});

test("all spellings of an IPv6 address have one canonical form", () => {
  fc.assert(
    fc.property(groups, fc.nat(), (address, pick) => {
      const canonical = canonicalIp(address.map((group) => group.toString(16)).join(":"));
      assert.ok(canonical !== undefined, address.join(":"));
      assert.deepEqual(expand(canonical), address);
      for (const spelling of spellingsOf(address, pick)) assert.equal(canonicalIp(spelling), canonical);
      assert.equal(canonicalIp(canonical), canonical);
    }),
  );
});

test("different addresses have different canonical forms", () => {
  fc.assert(
    fc.property(groups, fc.nat(7), fc.integer({ min: 1, max: 0xffff }), (address, at, change) => {
      const other = address.with(at, (address[at]! + change) % 0x10000);
      const [one, two] = [address, other].map((each) =>
        canonicalIp(each.map((n) => n.toString(16)).join(":")),
      );
      assert.notEqual(one, two);
    }),
  );
});

test("the canonical form follows RFC 5952", () => {
  for (const [text, canonical] of [
    ["2001:0DB8::0001", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
  ] as const) {
    assert.equal(canonicalIp(text), canonical);
  }
});

test("a text has a canonical form only if it is an address without a zone", () => {
  const near = fc
    .array(
      fc.constantFrom("0", "1", "255", "256", "ffff", "FFFF", ":", "::", ".", "/", "%", "[", "]", " ", "\n"),
    )
    .map((parts) => parts.join(""));
  const text = fc.oneof(
    near,
    ipv4.map((ip) => `0${ip}`),
    fc.ipV6().map((ip) => `${ip}%eth0`),
    fc.string(),
  );
  fc.assert(
    fc.property(text, (value) => {
      assert.equal(canonicalIp(value) !== undefined, isIP(value) !== 0 && !value.includes("%"));
    }),
    { numRuns: 500 },
  );
});

/** Parses an IPv6 or IPv4-mapped address to eight numbers, independent of the code under test. */
function expand(text: string): number[] {
  if (!text.includes(":")) {
    const [a, b, c, d] = text.split(".").map(Number) as [number, number, number, number];
    return [0, 0, 0, 0, 0, 0xffff, a * 256 + b, c * 256 + d];
  }
  const [head, tail] = text
    .split("::")
    .map((part) => (part === "" ? [] : part.split(":").map((n) => Number.parseInt(n, 16))));
  if (tail === undefined) return head!;
  return [...head!, ...Array.from({ length: 8 - head!.length - tail.length }, () => 0), ...tail];
}

/** Spellings: padded, upper case, with a dotted end, and with any run of zeros compressed. */
function spellingsOf(address: readonly number[], pick: number): string[] {
  const texts = address.map((group) => group.toString(16));
  const [a, b] = address.slice(6) as [number, number];
  const dotted = [a >> 8, a & 255, b >> 8, b & 255].join(".");
  const spellings = [
    texts.map((text) => text.padStart(4, "0")).join(":"),
    texts.join(":").toUpperCase(),
    [...texts.slice(0, 6), dotted].join(":"),
  ];
  const zeros = address.flatMap((group, at) => (group === 0 ? [at] : []));
  if (zeros.length > 0) {
    const start = zeros[pick % zeros.length]!;
    let end = start + 1;
    while (address[end] === 0) end++;
    spellings.push(`${texts.slice(0, start).join(":")}::${texts.slice(end).join(":")}`);
  }
  return spellings;
}
