import { isUtf8 } from "node:buffer";

/** One attribute and its value in a relative name. */
export interface NamePart {
  /** In lower case. */
  readonly type: string;
  readonly value: string;
}

/** A distinguished name: relative names from the entry up to the root, each of one or more parts. */
export type DistinguishedName = readonly (readonly NamePart[])[];

const TYPE = /^(?:[a-z][a-z0-9-]*|\d+(?:\.\d+)*)$/;
const SEPARATOR = /[,;+]/;
const HEX = /^[0-9a-f]{2}$/i;

/**
 * Reads a distinguished name as servers write it (RFC 4514; quotes and semicolons as in RFC 2253 section 4); undefined
 * when it is none. A value in #hexadecimal stays as it is.
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

/** Whether an entry is below another one, or is that one; names are compared without regard to case. */
export function isBelow(name: DistinguishedName, base: DistinguishedName): boolean {
  const distance = name.length - base.length;
  return distance >= 0 && base.every((parts, index) => isSame(parts, name[index + distance] ?? []));
}

/** Whether two texts are the same distinguished name, letter by letter in its values. */
export function isSameDn(a: string, b: string): boolean {
  const [first, second] = [parseDn(a), parseDn(b)];
  return first !== undefined && second !== undefined && formatDn(first) === formatDn(second);
}

/** The end of a name that stands for its whole domain: its dc= parts, or its last part where it has none. */
export function domainOf(name: DistinguishedName): DistinguishedName {
  const first = name.findIndex(
    (_, index) => index === name.length - 1 || name.slice(index).every(([part]) => part?.type === "dc"),
  );
  return name.slice(first);
}

/** A distinguished name as text (RFC 4514). */
export function formatDn(name: DistinguishedName): string {
  return name
    .map((parts) => parts.map(({ type, value }) => `${type}=${escapeDnValue(value)}`).join("+"))
    .join(",");
}

/** The value of the first relative name's part of this type. */
export function leadingValue(name: DistinguishedName, type: string): string | undefined {
  return name[0]?.find((part) => part.type === type)?.value;
}

/** A value as it may stand in a distinguished name, whatever is in it (RFC 4514 section 2.4). */
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

/** One `type=value`; the cursor is left on the separator behind it. */
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
    // Blanks at the end belong to the value only where they are escaped.
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

/** A character, or a byte of one in \hexadecimal; the cursor goes behind it. */
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

/** The text of some bytes; undefined when they are not UTF-8: two names must not become the same. */
function decode(bytes: readonly Buffer[]): string | undefined {
  const value = Buffer.concat(bytes);
  return isUtf8(value) ? value.toString() : undefined;
}
