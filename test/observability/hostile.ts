import assert from "node:assert/strict";

/** Characters that control a terminal or end a line: controls, separators, direction marks, lone surrogates. */
export const CONTROLS = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\p{Cs}]/u;

/** Text that tries to clear the screen, set a title and a colour, end the line and reverse the direction. */
export const HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\n{}\r\n\u2028\u2029\x85\u202e\u2066\u200f\u061c\x7f";

/** Asserts that a log line is one valid UTF-8 line without control characters; returns its fields. */
export function readLine(line: string): Record<string, unknown> {
  assert.ok(line.endsWith("\n"), JSON.stringify(line));
  assert.doesNotMatch(line.slice(0, -1), CONTROLS);
  assert.equal(Buffer.from(line).toString(), line);
  return JSON.parse(line) as Record<string, unknown>;
}
