import fc from "fast-check";

/** Names of properties that every object inherits. */
export const PROTOTYPE_KEYS = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "valueOf",
  "toJSON",
  "then",
  "length",
  "__defineGetter__",
];

/** Texts that have caused errors in parsers, terminals, databases, directories and logs. */
const PIECES = [
  ...["\0", "\u0001", "\t", "\n", "\r", "\r\n", "\u001b[31m", "\u007f", "\u0085", "\u2028", "\u2029"],
  ...["\u202e", "\u2066", "\u2069", "\u200e", "\u200b", "\u200d", "\ufeff", "\u00ad", "\ufffd", "\ufffe"],
  ...["\u0301", "e\u0301", "\u00e9", "\u0130", "\u0131", "\u017f", "\u212a", "\u00df", "\u1e9e", "\u03c2"],
  ...[
    "\u0430",
    "\u0435",
    "\uff41",
    "\uff0e",
    "\u1d43",
    "\ud83d\ude00",
    "\u{1f469}\u200d\u{1f680}",
    "\u{10ffff}",
  ],
  ...["\ud800", "\udc00", "\udfff\ud800", "'", '"', "`", "\\", "\\u0000", "/", "..", "%", "_", "*", "?"],
  ...["' or '1'='1", "'; drop table user; --", "*)(uid=*", ")(|(cn=*", "%s%n", "${1+1}", "{{7*7}}", "<b>"],
  ...['\n{"level":60}', "null", "true", "admin", "alice", "@example.com", " ", ".", "-", "0", "a", "Z"],
];

const NAMES = ["root", "alice", "Carol", "admin", "staff", "alice@example.com", "10.1.2.3", "prod"];

const piece = fc.constantFrom(...PIECES);

/** A username with a barely visible character somewhere in it. */
const nearName = fc
  .tuple(fc.constantFrom(...NAMES), piece, fc.nat(20))
  .map(([name, more, at]) => name.slice(0, at) + more + name.slice(at));

/** Any text, often a problematic one. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: nearName },
  { weight: 3, arbitrary: fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join("")) },
  { weight: 2, arbitrary: fc.constantFrom(...PROTOTYPE_KEYS) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ maxLength: 120 }) },
  { weight: 1, arbitrary: fc.constantFrom("x".repeat(72), "x".repeat(73), "é".repeat(36), "é".repeat(101)) },
);
