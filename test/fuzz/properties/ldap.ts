import assert from "node:assert/strict";
import fc from "fast-check";
import { BerWriter, type Filter } from "ldapts";
import { filterFor, memberFilter } from "../../../src/auth/ldap/filter.ts";
import { escapeDnValue, parseDn } from "../../../src/config/dn.ts";
import { parseUserFilter } from "../../../src/config/user-filter.ts";
import { hostileText } from "../texts.ts";
import { holds, type Property } from "./property.ts";

const TEMPLATES = [
  "(uid={username})",
  "(&(objectClass=user)(sAMAccountName={username}))",
  "(|(&(a=1)(!(b=2)))(cn={username})(c=*x*))",
];

const name = hostileText.filter((text) => text.isWellFormed());

/** Properties of requests to directories: a name is always a value, whatever it contains. */
export const LDAP: readonly Property[] = [
  holds(
    "a filter contains the unchanged name, and all its other values stay the same",
    400,
    fc.tuple(fc.constantFrom(...TEMPLATES), name),
    (pair) => {
      const [template, username] = pair;
      const given = filterFor(parseUserFilter(template), username);
      const other = filterFor(parseUserFilter(template), "somebody");
      const [values, others] = [valuesIn(encode(given)), valuesIn(encode(other))];
      assert.equal(values.length, others.length);
      for (const [at, value] of values.entries()) {
        const expected = others[at]?.toString() === "somebody" ? Buffer.from(username) : others[at];
        assert.deepEqual(value, expected);
      }
      assert.equal(values.filter((value) => value.equals(Buffer.from(username))).length > 0, true);
    },
  ),
  holds(
    "a filter for members contains each member",
    200,
    fc.array(name, { minLength: 1, maxLength: 5 }),
    (members) => {
      const values = valuesIn(encode(memberFilter(members)));
      const expected = members.flatMap((member) => ["member", member, "uniqueMember", member]);
      assert.deepEqual(
        values.map(String),
        expected.map((text) => Buffer.from(text).toString()),
      );
    },
  ),
  holds("a value in a distinguished name is parsed unchanged", 400, name, (value) => {
    const read = parseDn(`cn=${escapeDnValue(value)},dc=example`);
    assert.deepEqual(read, [[{ type: "cn", value }], [{ type: "dc", value: "example" }]]);
  }),
];

function encode(filter: Filter): Buffer {
  const writer = new BerWriter();
  filter.write(writer);
  return writer.buffer;
}

/** Every primitive value in BER (X.690), in order: attributes, values, and parts of them. */
function valuesIn(bytes: Buffer): Buffer[] {
  const values: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes.readUInt8(at);
    const { length, size } = lengthAt(bytes, at + 1);
    const start = at + 1 + size;
    assert.ok(start + length <= bytes.length, "a length beyond the end");
    const content = bytes.subarray(start, start + length);
    if ((tag & 0x20) !== 0) values.push(...valuesIn(content));
    else values.push(content);
    at = start + length;
  }
  return values;
}

function lengthAt(bytes: Buffer, at: number): { length: number; size: number } {
  const first = bytes.readUInt8(at);
  if (first < 0x80) return { length: first, size: 1 };
  const count = first & 0x7f;
  return { length: bytes.readUIntBE(at + 1, count), size: 1 + count };
}
