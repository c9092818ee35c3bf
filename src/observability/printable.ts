/**
 * What JSON leaves as it is, and a terminal or a viewer of logs obeys or takes for a line's end: DEL and C1 controls, the
 * separators U+2028 and U+2029, and marks that turn the direction of a text. And halves of characters, because UTF-8
 * cannot hold them.
 */
const UNPRINTABLE = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\p{Cs}]/gu;

/** The same JSON text with nothing in it that a terminal would obey; line breaks and tabs between values stay. */
export function toPrintable(json: string): string {
  return json.replaceAll(UNPRINTABLE, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
