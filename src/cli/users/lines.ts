import { isUtf8 } from "node:buffer";

/** A line of a file with its number, from 1 on; or why it cannot be read. */
export type Line =
  | { readonly number: number; readonly text: string }
  | {
      readonly number: number;
      readonly fault: string;
      /** A line that is not UTF-8, a character for each byte, as latin1 has it. */
      readonly bytes?: string;
    };

/** Bytes of one line: a file without line breaks must not fill the memory. */
const MAX_BYTES = 65_536;

const NEWLINE = 0x0a;

/** The byte order mark of UTF-8. */
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** The lines of a stream that are not blank, so many at a time; memory does not grow with the stream. */
export async function* readLines(source: AsyncIterable<Buffer>, portion: number): AsyncGenerator<Line[]> {
  let lines: Line[] = [];
  let number = 0;
  let parts: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer): void => {
    length += part.length;
    parts = length > MAX_BYTES ? [] : [...parts, part];
  };
  const finish = (): void => {
    number++;
    const line = toLine(number, length > MAX_BYTES ? undefined : Buffer.concat(parts));
    if (line !== undefined) lines.push(line);
    [parts, length] = [[], 0];
  };
  for await (const chunk of source) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      take(chunk.subarray(from, end));
      finish();
      from = end + 1;
      if (lines.length < portion) continue;
      yield lines;
      lines = [];
    }
    take(chunk.subarray(from));
  }
  if (length > 0) finish();
  if (lines.length > 0) yield lines;
}

function toLine(number: number, bytes: Buffer | undefined): Line | undefined {
  if (bytes === undefined) return { number, fault: `is longer than ${MAX_BYTES} bytes` };
  if (!isUtf8(bytes))
    return {
      number,
      fault: "is not UTF-8",
      bytes: trim(number, bytes.toString("latin1"), MARK.toString("latin1")),
    };
  const trimmed = trim(number, bytes.toString("utf8"), MARK.toString("utf8"));
  return trimmed.trim() === "" ? undefined : { number, text: trimmed };
}

/** Without the mark at the beginning of a file, and without the carriage return of Windows at the end of a line. */
function trim(number: number, text: string, mark: string): string {
  return (number === 1 && text.startsWith(mark) ? text.slice(mark.length) : text).replace(/\r$/, "");
}
