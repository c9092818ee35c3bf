/**
 * Parses JSON more strictly than JSON.parse: also throws SyntaxError for nesting below `maxDepth` levels and for
 * duplicate members in an object, which parsers interpret differently (RFC 8259 section 4).
 */
export function parseJson(text: string, maxDepth = Number.POSITIVE_INFINITY): unknown {
  const { members, depth } = measure(text);
  if (depth > maxDepth) throw new SyntaxError(`nested deeper than ${maxDepth} levels`);
  const value: unknown = JSON.parse(text);
  // JSON.parse keeps one of two members with the same name.
  if (countMembers(value) !== members) throw new SyntaxError("an object has two members with the same name");
  return value;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Parses UTF-8 bytes as a JSON object like `parseJson`; throws a SyntaxError or TypeError for any other value. */
export function parseJsonObject(bytes: Uint8Array, maxDepth?: number): Readonly<Record<string, unknown>> {
  const value = parseJson(decoder.decode(bytes), maxDepth);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new SyntaxError("not an object");
  return { ...value };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPENING = [0x7b, 0x5b];
const CLOSING = [0x7d, 0x5d];

/** Counts the members and the nesting depth of a text, assuming that it is valid JSON. */
function measure(text: string): { members: number; depth: number } {
  let members = 0;
  let level = 0;
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index);
    if (char === QUOTE) index = endOfString(text, index);
    else if (char === COLON) members++;
    else if (OPENING.includes(char)) depth = Math.max(depth, ++level);
    else if (CLOSING.includes(char)) level--;
  }
  return { members, depth };
}

/** Index of a string's closing quote. Uses indexOf, because most of a request is one long token. */
function endOfString(text: string, begin: number): number {
  for (let end = text.indexOf('"', begin + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

function countMembers(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const children: unknown[] = Object.values(value);
  const own = Array.isArray(value) ? 0 : children.length;
  return children.reduce<number>((sum, child) => sum + countMembers(child), own);
}
