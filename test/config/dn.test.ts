import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DN } from "ldapts";
import { domainOf, escapeDnValue, formatDn, isBelow, leadingValue, parseDn } from "../../src/config/dn.ts";

const partsOf = (text: string) =>
  parseDn(text)?.map((parts) => parts.map(({ type, value }) => [type, value]));

for (const [text, expected] of [
  ["CN=Dev,OU=Groups,DC=ad", [[["cn", "Dev"]], [["ou", "Groups"]], [["dc", "ad"]]]],
  [String.raw`CN=API_PERMx\, y,OU=g`, [[["cn", "API_PERMx, y"]], [["ou", "g"]]]],
  [String.raw`cn=api_permx\2C y,ou=g`, [[["cn", "api_permx, y"]], [["ou", "g"]]]],
  [String.raw`cn=Lu\C4\8Di\c4\87`, [[["cn", "Lučić"]]]],
  [String.raw`cn=\ a\ ,ou=b`, [[["cn", " a "]], [["ou", "b"]]]],
  ["cn = a  b  , ou=c", [[["cn", "a  b"]], [["ou", "c"]]]],
  [String.raw`cn=\#x\"\\\+\<\>\;\=,ou=b`, [[["cn", '#x"\\+<>;=']], [["ou", "b"]]]],
  ['cn="a, \\"b\\" " ,ou=c', [[["cn", 'a, "b" ']], [["ou", "c"]]]],
  [
    "cn=a+uid=1;ou=b",
    [
      [
        ["cn", "a"],
        ["uid", "1"],
      ],
      [["ou", "b"]],
    ],
  ],
  ["OID.2.5.4.3=a", [[["2.5.4.3", "a"]]]],
  ["cn=", [[["cn", ""]]]],
  ["cn=a=b", [[["cn", "a=b"]]]],
  ["", []],
] as const) {
  test(`reads the distinguished name ${text}`, () => assert.deepEqual(partsOf(text), expected));
}

for (const text of [
  "a",
  "cn=a,",
  ",cn=a",
  "=a",
  "cn=a\\",
  'cn="a',
  'cn="a"b',
  "c n=a",
  "cn=a,,ou=b",
  String.raw`cn=\ff`,
]) {
  test(`finds no distinguished name in ${text}`, () => assert.equal(parseDn(text), undefined));
}

test("values with any characters survive formatting and parsing", () => {
  const value = fc.string({ unit: "binary", minLength: 1 }).filter((text) => text.isWellFormed());
  fc.assert(
    fc.property(value, (text) => {
      assert.deepEqual(partsOf(`cn=${escapeDnValue(text)},ou=x`), [[["cn", text]], [["ou", "x"]]]);
      assert.deepEqual(partsOf(`${new DN({ cn: text }).toString()},ou=x`)?.slice(-1), [[["ou", "x"]]]);
    }),
  );
});

test("an entry is below its ancestors and itself only, case-insensitively", () => {
  const name = parseDn("CN=Dev,OU=Groups,DC=Ad,DC=Local")!;
  for (const base of [
    "dc=ad,dc=local",
    "ou=groups, dc=AD, dc=local",
    "CN=dev,OU=Groups,DC=ad,DC=local",
    "",
  ]) {
    assert.ok(isBelow(name, parseDn(base)!), base);
  }
  for (const base of ["dc=local,dc=ad", "ou=other,dc=ad,dc=local", "cn=x,cn=dev,ou=groups,dc=ad,dc=local"]) {
    assert.ok(!isBelow(name, parseDn(base)!), base);
  }
});

test("the value of the first relative name is found by its type", () => {
  assert.equal(leadingValue(parseDn("uid=1+CN=a,cn=b")!, "cn"), "a");
  assert.equal(leadingValue(parseDn("ou=a,cn=b")!, "cn"), undefined);
});

test("the domain of a name is its trailing dc= parts, or its last part", () => {
  const domain = (text: string) => formatDn(domainOf(parseDn(text)!));
  assert.equal(domain("ou=User,dc=ad,dc=local"), "dc=ad,dc=local");
  assert.equal(domain("ou=dc,o=acme"), "o=acme");
  assert.equal(domain("dc=x,ou=y,dc=ad"), "dc=ad");
});
