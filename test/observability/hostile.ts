import assert from "node:assert/strict";

/** What a terminal obeys, or what ends a line somewhere: controls, separators, marks of direction, half characters. */
export const OBEYED = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\p{Cs}]/u;

/** Text that wants to clear the screen, to set a title and a colour, to end the line, and to turn the rest around. */
export const HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\n{}\r\n\u2028\u2029\x85\u202e\u2066\u200f\u061c\x7f";

/** Asserts that a line of a log is one, in UTF-8, that nothing in it is for a terminal to obey; gives what it says. */
export function readLine(line: string): Record<string, unknown> {
  assert.ok(line.endsWith("\n"), JSON.stringify(line));
  assert.doesNotMatch(line.slice(0, -1), OBEYED);
  assert.equal(Buffer.from(line).toString(), line);
  return JSON.parse(line) as Record<string, unknown>;
}
