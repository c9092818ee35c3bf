import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createLogTo } from "../../src/observability/log.ts";
import { toPrintable } from "../../src/observability/printable.ts";
import { HOSTILE, CONTROLS, readLine } from "./hostile.ts";

/** At least one character of each kind that must be escaped. */
const ALL =
  `a\t\b\f\v\0\x80\x9c\x9f"\\${HOSTILE}` + "\u202a\u202b\u202c\u202d\u2067\u2068\u2069\u200e\ud800\udfff z";
/** Neighbouring characters that must not be escaped. */
const HARMLESS =
  "\u00a0\u00ad\u061b\u061d\u200d\u2010\u2027\u202f\u2065\u206a \u00fc \u65e5\u672c\u8a9e \u{1f600}";

/** The single line that a log writes. */
function lineOf(write: (log: ReturnType<typeof createLogTo>) => void): string {
  const lines: string[] = [];
  write(createLogTo({ write: (line) => void lines.push(line) }, "trace"));
  assert.equal(lines.length, 1);
  return lines[0]!;
}

describe("a log line", () => {
  test("is one line without control characters, and parses to the original texts", () => {
    const error = Object.assign(new Error(ALL, { cause: new Error(ALL) }), { code: ALL });
    error.stack = ALL;
    // pino uses another code path for texts of more than 100 characters.
    for (const text of [ALL, ALL.repeat(9), "\x9b", "\u202e", "\ud800", "\x7f".repeat(200)]) {
      const line = lineOf((log) => log.error({ text, list: [text, { text }], err: error }, text));
      const { text: said, list, err, msg } = readLine(line);
      assert.deepEqual({ said, list, msg }, { said: text, list: [text, { text }], msg: text });
      assert.partialDeepStrictEqual(err, { message: ALL, code: ALL, stack: ALL });
    }
  });

  test("is escaped for a child log with bindings too", () => {
    const line = lineOf((log) => log.child({ bound: ALL }, { msgPrefix: "\x9b" }).info("%s", ALL));
    const { bound, msg } = readLine(line);
    assert.deepEqual([bound, msg], [ALL, `\x9b${ALL}`]);
  });

  test("keeps harmless characters unchanged", () => {
    const line = lineOf((log) => log.info({ text: HARMLESS }, "ok"));
    assert.ok(line.includes(HARMLESS), line);
  });

  test("parses to the original texts for any characters", () => {
    const characters = fc.string({
      unit: fc.integer({ max: 0xffff }).map((code) => String.fromCharCode(code)),
    });
    const property = fc.property(fc.dictionary(fc.constantFrom("a", "b"), characters), (values) => {
      const line = lineOf((log) => log.info(values));
      assert.partialDeepStrictEqual(readLine(line), { ...values });
    });
    fc.assert(property);
  });
});

describe("toPrintable", () => {
  test("keeps line breaks and the value of a JSON text", () => {
    const value = { resp_data: { username: ALL, [ALL]: [HARMLESS] } };
    const text = toPrintable(JSON.stringify(value, null, 2));
    assert.deepEqual(JSON.parse(text), value);
    assert.doesNotMatch(text.replaceAll("\n", ""), CONTROLS);
    assert.equal(text.split("\n").length, 8);
  });
});
