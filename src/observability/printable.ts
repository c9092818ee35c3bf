/**
 * Characters that JSON does not escape, but that control a terminal or end a line: DEL and C1 controls, the separators
 * U+2028 and U+2029, and direction marks. Also lone surrogates, because UTF-8 cannot encode them.
 */
const UNPRINTABLE = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\p{Cs}]/gu;

/** Escapes terminal control characters in a JSON text; line breaks and tabs between values stay. */
export function toPrintable(json: string): string {
  return json.replaceAll(UNPRINTABLE, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
