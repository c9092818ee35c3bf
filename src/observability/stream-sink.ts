import { closeSync, writeSync } from "node:fs";
import { LineBuffer } from "./line-buffer.ts";
import type { LineOverflow } from "./line-overflow.ts";
import { DELAY, type LineSink, URGENT } from "./line-sink.ts";

const STDERR = 2;

/** PIPE_BUF: a pipe takes so many bytes completely or not at all, so lines of several processes do not mix. */
const CHUNK = 4096;

/** More than this is written without waiting for the delay, in characters. */
const MUCH = 64 * 1024;

/** Between two attempts while the reader takes nothing, in milliseconds. */
const RETRY = 20;

/** `flushSync` gives up after so long without progress, and after so long in all, in milliseconds. */
const STALL = 500;
const LIMIT = 3000;

/** Writes lines to a pipe, terminal, FIFO or socket whose descriptor does not block. */
export class StreamSink implements LineSink {
  static readonly #clock = new Int32Array(new SharedArrayBuffer(4));
  readonly #descriptor: number;
  readonly #overflow: LineOverflow;
  readonly #buffer = new LineBuffer(CHUNK);
  #timer: NodeJS.Timeout | undefined;
  #isFull = false;
  /** Whether a flush has given up, and nothing was taken since. */
  #hasStalled = false;

  constructor(descriptor: number, overflow: LineOverflow) {
    this.#descriptor = descriptor;
    this.#overflow = overflow;
  }

  write(line: string, level: number): void {
    if (!this.#buffer.add(line, level)) this.#overflow.take(line, "nobody reads it");
    if (!this.#isFull && (level >= URGENT || this.#buffer.size >= MUCH)) this.#pump();
    else this.#schedule(DELAY);
  }

  flushSync(): void {
    const begin = performance.now();
    for (let last = begin; ; Atomics.wait(StreamSink.#clock, 0, 0, RETRY / 4)) {
      const written = this.#pump();
      if (this.#buffer.size === 0) return;
      const now = performance.now();
      if (written > 0) last = now;
      if (this.#hasStalled || now - last > STALL || now - begin > LIMIT) {
        this.#hasStalled = true;
        return;
      }
    }
  }

  /** Nothing may be written after it. An inherited descriptor stays open. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#descriptor > STDERR) closeSync(this.#descriptor);
  }

  /** Writes what is taken without waiting, and returns how many bytes that was. */
  #pump(): number {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let written = 0;
    try {
      for (let chunk = this.#buffer.next(); chunk !== undefined; chunk = this.#buffer.next()) {
        const bytes = writeSync(this.#descriptor, chunk);
        this.#buffer.consume(bytes);
        written += bytes;
      }
      this.#isFull = false;
    } catch (error) {
      this.#isFull = isFull(error);
      if (this.#isFull) this.#schedule(RETRY);
      else
        for (const line of this.#buffer.takeAll().lines) this.#overflow.take(line, describeWriteError(error));
    }
    if (written > 0) this.#hasStalled = false;
    if (written > 0 && this.#buffer.size === 0) this.#overflow.recovered(this);
    return written;
  }

  #schedule(delay: number): void {
    // It keeps no process running: whoever ends one flushes.
    this.#timer ??= setTimeout(() => this.#pump(), delay).unref();
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}

/** What the system says about a write, in its own word. */
export function describeWriteError(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
