import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Line, readLines } from "../../../src/cli/users/lines.ts";

async function linesOf(chunks: readonly (string | Uint8Array)[], portion = 3): Promise<Line[]> {
  const source = async function* (): AsyncGenerator<Buffer> {
    for (const chunk of chunks) yield Buffer.from(chunk);
  };
  const lines: Line[] = [];
  for await (const some of readLines(source(), portion)) {
    assert.ok(some.length > 0 && some.length <= portion, `${some.length} lines`);
    lines.push(...some);
  }
  return lines;
}

test("lines do not depend on how the bytes are split, have their numbers, and are not blank", async () => {
  const text = fc.string({ unit: fc.constantFrom("a", "ü", "€", "\u{1f600}", " ", '"', ","), maxLength: 5 });
  const ending = fc.constantFrom("\n", "\r\n");
  const rows = fc.array(fc.tuple(text, ending), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(rows, text, fc.array(fc.nat(200), { maxLength: 6 }), async (whole, last, cuts) => {
      const bytes = Buffer.from(whole.map((row) => row.join("")).join("") + last);
      const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort(
        (a, b) => a - b,
      );
      const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
      const expected = [...whole.map(([row]) => row), last]
        .map((row, index) => ({ number: index + 1, text: row }))
        .filter((line) => line.text.trim() !== "");
      assert.deepEqual(await linesOf(chunks), expected);
    }),
    { numRuns: 300 },
  );
});

test("a byte order mark at the beginning is removed", async () => {
  assert.deepEqual(await linesOf(["\ufeffa\n\ufeffb"]), [
    { number: 1, text: "a" },
    { number: 2, text: "\ufeffb" },
  ]);
});

test("a line that is not UTF-8 or too long does not affect other lines, and takes no memory", async () => {
  const long = Buffer.alloc(40_000, "x");
  const lines = await linesOf(["a\n", new Uint8Array([0xff, 0x0a]), long, long, long, "\nb\n", long, long]);
  assert.deepEqual(lines, [
    { number: 1, text: "a" },
    { number: 2, error: "is not UTF-8", bytes: "\u00ff" },
    { number: 3, error: "is longer than 65536 bytes" },
    { number: 4, text: "b" },
    { number: 5, error: "is longer than 65536 bytes" },
  ]);
  assert.deepEqual(await linesOf([Buffer.alloc(65_536, "y")]), [{ number: 1, text: "y".repeat(65_536) }]);
});
