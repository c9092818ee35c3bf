import { closeSync, writeSync } from "node:fs";
import { LineBuffer } from "./line-buffer.ts";
import type { LineOverflow } from "./line-overflow.ts";
import { DELAY, type LineSink, URGENT } from "./line-sink.ts";

const STDERR = 2;

/** PIPE_BUF: a write of up to this many bytes to a pipe is atomic, so lines of several processes do not mix. */
const CHUNK = 4096;

/** When this many characters wait, they are written without the delay. */
const WRITE_NOW = 64 * 1024;

/** Delay between attempts while the pipe is full, in milliseconds. */
const RETRY = 20;

/** `flushSync` gives up after this time without progress, and after this time in total, in milliseconds. */
const STALL_TIMEOUT = 500;
const FLUSH_TIMEOUT = 3000;

/** Writes lines to a pipe, terminal, FIFO or socket whose descriptor does not block. */
export class StreamSink implements LineSink {
  static readonly #clock = new Int32Array(new SharedArrayBuffer(4));
  readonly #descriptor: number;
  readonly #overflow: LineOverflow;
  readonly #buffer = new LineBuffer(CHUNK);
  #timer: NodeJS.Timeout | undefined;
  #isFull = false;
  /** Whether a flush gave up, and nothing has been written since. */
  #hasStalled = false;

  constructor(descriptor: number, overflow: LineOverflow) {
    this.#descriptor = descriptor;
    this.#overflow = overflow;
  }

  write(line: string, level: number): void {
    if (!this.#buffer.add(line, level)) this.#overflow.take(line, "no process reads it in time");
    if (!this.#isFull && (level >= URGENT || this.#buffer.size >= WRITE_NOW)) this.#pump();
    else this.#schedule(DELAY);
  }

  flushSync(): void {
    const begin = performance.now();
    for (let last = begin; ; Atomics.wait(StreamSink.#clock, 0, 0, RETRY / 4)) {
      const written = this.#pump();
      if (this.#buffer.size === 0) return;
      const now = performance.now();
      if (written > 0) last = now;
      if (this.#hasStalled || now - last > STALL_TIMEOUT || now - begin > FLUSH_TIMEOUT) {
        this.#hasStalled = true;
        return;
      }
    }
  }

  /** Closes the stream; write nothing afterwards. An inherited descriptor stays open. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#descriptor > STDERR) closeSync(this.#descriptor);
  }

  /** Writes without blocking; returns the number of written bytes. */
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
    // unref: the exit of the process flushes, so the timer need not keep it alive.
    this.#timer ??= setTimeout(() => this.#pump(), delay).unref();
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}

/** The system's error code for a failed write, such as ENOSPC. */
export function describeWriteError(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
