/** The capacity in characters: some seconds of a busy worker. */
const MAX_SIZE = 4 * 1024 * 1024;

/** Extra capacity for errors, so that many request lines do not displace the error that explains them. */
const RESERVE = 256 * 1024;

/** pino's number of the level error. */
const ERROR = 50;

/** A bounded FIFO queue of lines. It rejects a line that does not fit, so waiting lines stay complete and in order. */
export class LineBuffer {
  readonly #chunkSize: number;
  #lines: string[] = [];
  #size = 0;
  /** The lines in flight, and how many of their bytes are written. */
  #head: { readonly lines: readonly string[]; readonly bytes: Buffer; written: number } | undefined;

  /** `chunkSize`: characters per write; a longer line is written alone. */
  constructor(chunkSize: number) {
    this.#chunkSize = chunkSize;
  }

  /** Adds a line; false if there is no room. */
  add(line: string, level: number): boolean {
    if (this.#size + line.length > MAX_SIZE + (level >= ERROR ? RESERVE : 0)) return false;
    this.#lines.push(line);
    this.#size += line.length;
    return true;
  }

  /** The number of waiting characters. */
  get size(): number {
    return this.#size;
  }

  /** The bytes to write next: whole lines, or the rest after a partial write; undefined when the buffer is empty. */
  next(): Buffer | undefined {
    if (this.#head === undefined && this.#lines.length > 0) {
      let count = 0;
      for (let length = 0; count < this.#lines.length; count++) {
        length += this.#lines[count]?.length ?? 0;
        if (count > 0 && length > this.#chunkSize) break;
      }
      const lines = this.#lines.splice(0, count);
      this.#head = { lines, bytes: Buffer.from(lines.join("")), written: 0 };
    }
    return this.#head?.bytes.subarray(this.#head.written);
  }

  /** Reports how many bytes of the last `next()` were written. */
  consume(bytes: number): void {
    if (this.#head === undefined) return;
    this.#head.written += bytes;
    if (this.#head.written < this.#head.bytes.length) return;
    this.#size -= lengthOf(this.#head.lines);
    this.#head = undefined;
  }

  /** Removes and returns the lines that are not in flight. */
  takeRest(): string[] {
    const lines = this.#lines;
    this.#lines = [];
    this.#size -= lengthOf(lines);
    return lines;
  }

  /** Removes and returns all lines that are not completely written, and whether one is partly written. */
  takeAll(): { readonly lines: readonly string[]; readonly isHalfWritten: boolean } {
    const rest = this.takeRest();
    const head = this.#head;
    if (head === undefined) return { lines: rest, isHalfWritten: false };
    this.#head = undefined;
    this.#size = 0;
    let end = 0;
    const unwritten = head.lines.filter((line) => (end += Buffer.byteLength(line)) > head.written);
    const isHalfWritten = head.written > 0 && head.bytes[head.written - 1] !== NEWLINE;
    return { lines: [...unwritten, ...rest], isHalfWritten };
  }
}

const NEWLINE = 0x0a;

function lengthOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + line.length, 0);
}
