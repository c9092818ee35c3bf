import { isUtf8 } from "node:buffer";

/** An attribute and its value in a relative distinguished name. */
export interface NamePart {
  /** In lower case. */
  readonly type: string;
  readonly value: string;
}

/** A distinguished name: relative names from the entry to the root, each with one or more parts. */
export type DistinguishedName = readonly (readonly NamePart[])[];

const TYPE = /^(?:[a-z][a-z0-9-]*|\d+(?:\.\d+)*)$/;
const SEPARATOR = /[,;+]/;
const HEX = /^[0-9a-f]{2}$/i;

/**
 * Parses a distinguished name (RFC 4514; quotes and semicolons as in RFC 2253 section 4); undefined if it is not valid.
 * #hexadecimal values are not decoded.
 */
export function parseDn(text: string): DistinguishedName | undefined {
  if (text.trim() === "") return [];
  const names: NamePart[][] = [[]];
  const cursor = { text, at: 0 };
  for (;;) {
    const part = readPart(cursor);
    if (part === undefined) return undefined;
    names.at(-1)?.push(part);
    const separator = text[cursor.at];
    if (separator === undefined) return names;
    cursor.at++;
    if (separator !== "+") names.push([]);
  }
}

/** Whether a name is `base` or below it; ignores case. */
export function isBelow(name: DistinguishedName, base: DistinguishedName): boolean {
  const distance = name.length - base.length;
  return distance >= 0 && base.every((parts, index) => isSame(parts, name[index + distance] ?? []));
}

/** Whether two texts are the same distinguished name; values are case-sensitive. */
export function isSameDn(a: string, b: string): boolean {
  const [first, second] = [parseDn(a), parseDn(b)];
  return first !== undefined && second !== undefined && formatDn(first) === formatDn(second);
}

/** The domain part of a name: its trailing dc= parts, or its last part if it has none. */
export function domainOf(name: DistinguishedName): DistinguishedName {
  const first = name.findIndex(
    (_, index) => index === name.length - 1 || name.slice(index).every(([part]) => part?.type === "dc"),
  );
  return name.slice(first);
}

/** Formats a distinguished name (RFC 4514). */
export function formatDn(name: DistinguishedName): string {
  return name
    .map((parts) => parts.map(({ type, value }) => `${type}=${escapeDnValue(value)}`).join("+"))
    .join(",");
}

/** The value of this type in the first relative name. */
export function leadingValue(name: DistinguishedName, type: string): string | undefined {
  return name[0]?.find((part) => part.type === type)?.value;
}

/** Escapes a value for a distinguished name (RFC 4514 section 2.4). */
export function escapeDnValue(value: string): string {
  return value.replaceAll(/[^\p{L}\p{N}._-]/gu, (char) =>
    Array.from(Buffer.from(char), (byte) => `\\${byte.toString(16).padStart(2, "0")}`).join(""),
  );
}

function isSame(a: readonly NamePart[], b: readonly NamePart[]): boolean {
  return textOf(a) === textOf(b);
}

function textOf(parts: readonly NamePart[]): string {
  return JSON.stringify(parts.map(({ type, value }) => [type, value.toLowerCase()]).sort());
}

interface Cursor {
  readonly text: string;
  at: number;
}

/** Reads one `type=value`; leaves the cursor on the separator after it. */
function readPart(cursor: Cursor): NamePart | undefined {
  const { text } = cursor;
  const equals = text.indexOf("=", cursor.at);
  if (equals < 0) return undefined;
  const type = text
    .slice(cursor.at, equals)
    .trim()
    .toLowerCase()
    .replace(/^oid\./, "");
  if (!TYPE.test(type)) return undefined;
  cursor.at = equals + 1;
  while (text[cursor.at] === " ") cursor.at++;
  const value = text[cursor.at] === '"' ? readQuoted(cursor) : readPlain(cursor);
  return value === undefined ? undefined : { type, value };
}

function readPlain(cursor: Cursor): string | undefined {
  const { text } = cursor;
  const bytes: Buffer[] = [];
  let blanks = 0;
  while (cursor.at < text.length && !SEPARATOR.test(text[cursor.at] ?? "")) {
    const escaped = text[cursor.at] === "\\";
    const read = readCharacter(cursor);
    if (read === undefined) return undefined;
    bytes.push(read);
    // Unescaped blanks at the end are not part of the value.
    blanks = !escaped && read.toString() === " " ? blanks + 1 : 0;
  }
  return decode(bytes.slice(0, bytes.length - blanks));
}

function readQuoted(cursor: Cursor): string | undefined {
  const { text } = cursor;
  const bytes: Buffer[] = [];
  cursor.at++;
  while (text[cursor.at] !== '"') {
    const read = cursor.at < text.length ? readCharacter(cursor) : undefined;
    if (read === undefined) return undefined;
    bytes.push(read);
  }
  cursor.at++;
  while (text[cursor.at] === " ") cursor.at++;
  return cursor.at === text.length || SEPARATOR.test(text[cursor.at] ?? "") ? decode(bytes) : undefined;
}

/** Reads a character, or a byte in \hexadecimal; moves the cursor behind it. */
function readCharacter(cursor: Cursor): Buffer | undefined {
  const { text } = cursor;
  if (text[cursor.at] === "\\") {
    const pair = text.slice(cursor.at + 1, cursor.at + 3);
    if (HEX.test(pair)) {
      cursor.at += 3;
      return Buffer.from(pair, "hex");
    }
    cursor.at++;
  }
  const code = text.codePointAt(cursor.at);
  if (code === undefined) return undefined;
  const char = String.fromCodePoint(code);
  cursor.at += char.length;
  return Buffer.from(char);
}

/** Decodes UTF-8; undefined if it is not valid, so that different names do not become equal. */
function decode(bytes: readonly Buffer[]): string | undefined {
  const value = Buffer.concat(bytes);
  return isUtf8(value) ? value.toString() : undefined;
}
