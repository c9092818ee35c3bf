import { closeSync, openSync, readSync } from "node:fs";

/** Length of the prefix of a needle that is used for the lookup. */
const HEAD = 8;

/** Bits in the sieve, as a power of two: with 50,000 needles, one byte in 300 passes by chance. */
const SIEVE_BITS = 24;

const CHUNK = 8 * 1024 * 1024;

interface Needle<T> {
  readonly bytes: Buffer;
  readonly secret: T;
}

/** The position of a secret. */
export interface Find<T> {
  readonly secret: T;
  readonly from: number;
  readonly to: number;
}

/** Searches for thousands of needles at the same time. */
export class Searcher<T> {
  readonly #sieve = new Uint32Array(2 ** (SIEVE_BITS - 5));
  readonly #byHead = new Map<string, Needle<T>[]>();
  readonly #known = new Set<string>();
  #longest = HEAD;

  /** Adds a needle of at least eight bytes. */
  add(bytes: Buffer, secret: T): void {
    if (bytes.length < HEAD)
      throw new RangeError(`a needle of ${bytes.length} bytes is too short: it needs at least ${HEAD}`);
    const text = bytes.toString("latin1");
    if (this.#known.has(text)) return;
    this.#known.add(text);
    const head = text.slice(0, HEAD);
    const needles = this.#byHead.get(head);
    if (needles === undefined) this.#byHead.set(head, [{ bytes, secret }]);
    else needles.push({ bytes, secret });
    this.#longest = Math.max(this.#longest, bytes.length);
    const bit = sieveBit(bytes.readInt32BE(0), bytes.readInt32BE(4));
    this.#sieve[bit >>> 5]! |= 1 << (bit & 31);
  }

  /** All matches in these bytes. */
  find(bytes: Buffer): Find<T>[] {
    if (bytes.length < HEAD) return [];
    const finds: Find<T>[] = [];
    const sieve = this.#sieve;
    // Rolling values of four bytes each, which lack their last byte before each step.
    let high = bytes.readInt32BE(0) >>> 8;
    let low = bytes.readInt32BE(4) >>> 8;
    for (let at = 0; at <= bytes.length - HEAD; at++) {
      high = (high << 8) | bytes[at + 3]!;
      low = (low << 8) | bytes[at + 7]!;
      const bit = sieveBit(high, low);
      if ((sieve[bit >>> 5]! & (1 << (bit & 31))) !== 0) this.#compare(bytes, at, finds);
    }
    return finds;
  }

  /** All matches in a file of any size, and its size. */
  findInFile(path: string): { readonly size: number; readonly finds: readonly Find<T>[] } {
    const file = openSync(path, "r");
    const overlap = this.#longest - 1;
    const buffer = Buffer.alloc(CHUNK + overlap);
    const finds: Find<T>[] = [];
    try {
      let size = 0;
      let kept = 0;
      for (;;) {
        const read = readSync(file, buffer, kept, CHUNK, size);
        if (read === 0) return { size, finds };
        const filled = buffer.subarray(0, kept + read);
        const start = size - kept;
        // Matches that end in the kept part were found before.
        for (const { secret, from, to } of this.find(filled))
          if (to > kept) finds.push({ secret, from: start + from, to: start + to });
        size += read;
        const keep = Math.min(overlap, filled.length);
        filled.copy(buffer, 0, filled.length - keep);
        kept = keep;
      }
    } finally {
      closeSync(file);
    }
  }

  #compare(bytes: Buffer, at: number, finds: Find<T>[]): void {
    const needles = this.#byHead.get(bytes.toString("latin1", at, at + HEAD)) ?? [];
    for (const { bytes: needle, secret } of needles) {
      const to = at + needle.length;
      if (to <= bytes.length && bytes.compare(needle, 0, needle.length, at, to) === 0)
        finds.push({ secret, from: at, to });
    }
  }
}

function sieveBit(high: number, low: number): number {
  return ((Math.imul(high, 0x9e3779b1) ^ Math.imul(low, 0x85ebca6b)) >>> 0) >>> (32 - SIEVE_BITS);
}
