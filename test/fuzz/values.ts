import fc from "fast-check";
import type { Member, Node } from "./json.ts";
import { hostileText, PROTOTYPE_KEYS } from "./texts.ts";
import { goodToken, invalidToken } from "./tokens.ts";

const LITERALS = [
  ...["null", "true", "false", "0", "-0", "1", "-1", "0.1", "1E5", "1e999", "-1e999", "1e-999", "2147483648"],
  ...["9007199254740992", "9007199254740993", "1234567890123456789012345678901234567890", "[]", "{}", '""'],
];

/** Texts that some parsers accept as JSON. */
const NO_JSON = [
  "NaN",
  "Infinity",
  "undefined",
  "01",
  "+1",
  ".5",
  "1.",
  "0x10",
  "'a'",
  "/**/1",
  "1n",
  "",
  "[1,]",
  "\ufeff1",
];

const literal: fc.Arbitrary<Node> = fc.record({ raw: fc.constantFrom(...LITERALS) });

/** A text as a node, sometimes escaped. */
function textNode(text: fc.Arbitrary<string>): fc.Arbitrary<Node> {
  return fc
    .tuple(text, fc.nat(7))
    .map(([value, dice]): Node => (dice === 7 ? { text: value, spelling: "escaped" } : { text: value }));
}

const scalar: fc.Arbitrary<Node> = fc.oneof(
  { weight: 5, arbitrary: textNode(hostileText) },
  { weight: 5, arbitrary: literal },
  { weight: 1, arbitrary: fc.record({ token: fc.oneof(goodToken, invalidToken) }) },
);

const key = fc.oneof(
  fc.constantFrom(...PROTOTYPE_KEYS),
  hostileText,
  fc.constantFrom(
    "username",
    "password",
    "access_token",
    "id_token",
    "token",
    "broker",
    "ip",
    "",
    "0",
    "isAdmin",
    "groups",
    "toString",
  ),
);

const member: fc.Arbitrary<Member> = fc.tuple(key, scalar);

/** Any value, often a problematic one. */
export const hostileNode: fc.Arbitrary<Node> = fc.oneof(
  { weight: 12, arbitrary: scalar },
  { weight: 2, arbitrary: fc.record({ list: fc.array(scalar, { maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ members: fc.array(member, { maxLength: 4 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      nest: fc.constantFrom("[" as const, "{" as const),
      depth: fc.integer({ min: 1, max: 40 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ wide: fc.constantFrom(1, 100, 4000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      repeat: fc.constantFrom("x", "é", "\u{1f600}", "\0", "\ud800", "\\", "[", "0", "a."),
      times: fc.constantFrom(73, 101, 256, 5000, 17_000, 66_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ raw: fc.constantFrom(...NO_JSON) }) },
);

/** Unknown members. */
export const unknownMember: fc.Arbitrary<Member> = fc.tuple(key, hostileNode);

/** JSON of any shape. */
export const anyNode: fc.Arbitrary<Node> = fc.oneof(
  fc.record({ raw: fc.json({ stringUnit: "binary" }) }),
  fc.record({ members: fc.array(unknownMember, { maxLength: 6 }) }),
  hostileNode,
);
