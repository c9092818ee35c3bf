import assert from "node:assert/strict";
import { isIPv6, SocketAddress } from "node:net";
import fc from "fast-check";
import { canonicalIp } from "../../../src/procedures/ip.ts";
import { hostileText } from "../texts.ts";
import { holds, type Property } from "./property.ts";

const group = fc.oneof(fc.constantFrom(0, 0, 0, 0xffff, 1), fc.nat(0xffff));
const groups = fc.array(group, { minLength: 8, maxLength: 8 });

/** Spellings of each group of an address: as it is, padded, in capitals. */
const writings = fc.array(fc.nat(2), { minLength: 8, maxLength: 8 });

const pieces = fc
  .array(
    fc.constantFrom(
      "0",
      "1",
      "10",
      "255",
      "256",
      "ffff",
      "FFFF",
      "00001",
      ":",
      "::",
      ".",
      "%eth0",
      "[",
      "]",
      "/8",
      "\0",
    ),
    { maxLength: 17 },
  )
  .map((parts) => parts.join(""));

/** Properties of canonical addresses, checked against Node's parser. */
export const ADDRESSES: readonly Property[] = [
  holds(
    "the canonical form of an address is stable, and no text makes the function throw",
    600,
    fc.oneof(pieces, hostileText, fc.ipV4(), fc.ipV4Extended(), fc.ipV6()),
    (text) => {
      const canonical = canonicalIp(text);
      if (canonical === undefined) return;
      assert.equal(canonicalIp(canonical), canonical);
      const family = isIPv6(canonical) ? "ipv6" : "ipv4";
      assert.equal(canonicalIp(new SocketAddress({ address: canonical, family }).address), canonical);
    },
  ),
  holds(
    "all spellings of one address have the same canonical form",
    400,
    fc.tuple(groups, writings, fc.boolean()),
    ([numbers, how, isDotted]) => {
      const texts = numbers.map((number, at) => spell(number.toString(16), how[at] ?? 0));
      const [a = 0, b = 0] = numbers.slice(6);
      const dotted = [a >> 8, a & 255, b >> 8, b & 255].join(".");
      const text = (isDotted ? [...texts.slice(0, 6), dotted] : texts).join(":");
      const other = new SocketAddress({ address: text, family: "ipv6" }).address;
      const canonical = canonicalIp(text);
      assert.notEqual(canonical, undefined);
      assert.equal(canonicalIp(other), canonical);
    },
  ),
];

function spell(text: string, how: number): string {
  if (how === 0) return text;
  return how === 1 ? text.padStart(4, "0") : text.toUpperCase();
}
