import { isUtf8 } from "node:buffer";

/** A line of a file with its number, starting at 1; or why it cannot be read. */
export type Line =
  | { readonly number: number; readonly text: string }
  | {
      readonly number: number;
      readonly error: string;
      /** A line that is not UTF-8, decoded as latin1: one character per byte. */
      readonly bytes?: string;
    };

/** Maximum length of a line in bytes: a file without line breaks must not fill the memory. */
const MAX_BYTES = 65_536;

/** The lines of a stream in batches, without blank lines; memory does not grow with the stream. */
export async function* readLines(source: AsyncIterable<Buffer>, batchSize: number): AsyncGenerator<Line[]> {
  let batch: Line[] = [];
  let number = 0;
  for await (const bytes of splitLines(source)) {
    const line = toLine(++number, bytes);
    if (line !== undefined) batch.push(line);
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Each line as latin1, which preserves every byte; a too long line is cut just above the limit. */
async function* splitLines(source: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of source) {
    const lines = (rest + chunk.toString("latin1")).split("\n");
    rest = (lines.pop() ?? "").slice(0, MAX_BYTES + 1);
    yield* lines;
  }
  if (rest !== "") yield rest;
}

function toLine(number: number, latin1: string): Line | undefined {
  if (latin1.length > MAX_BYTES) return { number, error: `is longer than ${MAX_BYTES} bytes` };
  // Remove the carriage return of Windows and the byte order mark of UTF-8.
  const bytes = (number === 1 ? latin1.replace(/^\xef\xbb\xbf/, "") : latin1).replace(/\r$/, "");
  const utf8 = Buffer.from(bytes, "latin1");
  if (!isUtf8(utf8)) return { number, error: "is not UTF-8", bytes };
  const text = utf8.toString();
  return text.trim() === "" ? undefined : { number, text };
}
