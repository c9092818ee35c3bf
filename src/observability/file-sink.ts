import { close, closeSync, constants, fstat, open, stat, write, writeSync } from "node:fs";
import { promisify } from "node:util";
import { LineBuffer } from "./line-buffer.ts";
import type { LineOverflow } from "./line-overflow.ts";
import { DELAY, type LineSink, URGENT } from "./line-sink.ts";
import { describeWriteError } from "./stream-sink.ts";

const CHUNK = 64 * 1024;

/** Interval of the checks whether the path still names the open file, in milliseconds. */
const ROTATION_CHECK = 1000;

/** A file operation that takes longer than this hangs, for example on a lost network mount, in milliseconds. */
const HANG_TIMEOUT = 1000;

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

const openAsync = promisify(open);
const writeAsync = promisify(write);
const statAsync = promisify(stat);
const fstatAsync = promisify(fstat);
const closeAsync = promisify(close);

/** Opens a log file for appending; creates it if it is missing. */
export function openForAppending(path: string): Promise<number> {
  return openAsync(path, APPEND, 0o666);
}

/**
 * Writes lines to a regular file, one operation at a time on libuv's threads. O_NONBLOCK has no effect on files, so a
 * hung operation occupies one thread, but does not block the process.
 */
export class FileSink implements LineSink {
  readonly #overflow: LineOverflow;
  /** Undefined for an inherited descriptor. */
  readonly #path: string | undefined;
  readonly #buffer = new LineBuffer(CHUNK);
  #descriptor: number;
  #timer: NodeJS.Timeout | undefined;
  /** Start of the running operation, by `performance.now()`; undefined when none runs. */
  #busySince: number | undefined;
  #isWriting = false;
  #isMidLine = false;
  #lastCheck = performance.now();

  constructor(descriptor: number, path: string | undefined, overflow: LineOverflow) {
    this.#descriptor = descriptor;
    this.#path = path;
    this.#overflow = overflow;
  }

  /** Whether an operation hangs, so that the process cannot exit by itself. */
  get isHanging(): boolean {
    return this.#busySince !== undefined && performance.now() - this.#busySince > HANG_TIMEOUT;
  }

  write(line: string, level: number): void {
    if (!this.#buffer.add(line, level)) this.#overflow.take(line, "writing is too slow");
    if (level >= URGENT || this.#buffer.size >= CHUNK) void this.#pump();
    else this.#timer ??= setTimeout(() => void this.#pump(), DELAY).unref();
  }

  flushSync(): void {
    if (this.isHanging) return this.#divert(this.#buffer.takeAll().lines, "a file operation hangs");
    // Lines in flight are left to their thread, which finishes before the process exits.
    const lines = this.#isWriting ? this.#buffer.takeRest() : this.#buffer.takeAll().lines;
    try {
      const bytes = Buffer.from(lines.join(""));
      for (let written = 0; written < bytes.length; ) written += writeSync(this.#descriptor, bytes, written);
    } catch (error) {
      this.#divert(lines, describeWriteError(error));
    }
  }

  /** Closes the file; write nothing afterwards. A descriptor that is inherited or in use stays open. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#path !== undefined && this.#busySince === undefined) closeSync(this.#descriptor);
  }

  /** Writes all waiting lines. Never rejects. */
  async #pump(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#busySince !== undefined) return;
    try {
      while (this.#buffer.size > 0) {
        this.#busySince = performance.now();
        await this.#reopenIfRotated();
        if (this.#isMidLine) await writeAsync(this.#descriptor, Buffer.from("\n"), 0, 1, null);
        this.#isMidLine = false;
        await this.#writeNext();
        if (this.#buffer.size === 0) this.#overflow.recovered(this);
      }
    } catch (error) {
      const { lines, isHalfWritten } = this.#buffer.takeAll();
      this.#isMidLine ||= isHalfWritten;
      this.#divert(lines, describeWriteError(error));
    } finally {
      this.#busySince = undefined;
      this.#isWriting = false;
    }
  }

  async #writeNext(): Promise<void> {
    const chunk = this.#buffer.next();
    if (chunk === undefined) return; // flushSync took the lines
    this.#isWriting = true;
    const { bytesWritten } = await writeAsync(this.#descriptor, chunk, 0, chunk.length, null);
    this.#isWriting = false;
    this.#buffer.consume(bytesWritten);
  }

  /** Reopens the path if log rotation has renamed or removed the open file. */
  async #reopenIfRotated(): Promise<void> {
    if (this.#path === undefined || performance.now() - this.#lastCheck < ROTATION_CHECK) return;
    this.#lastCheck = performance.now();
    const [held, named] = await Promise.all([
      fstatAsync(this.#descriptor),
      statAsync(this.#path).catch(() => undefined),
    ]);
    if (named?.ino === held.ino && named.dev === held.dev) return;
    const opened = await openForAppending(this.#path).catch(() => undefined);
    if (opened === undefined) return; // continue with the old file
    await closeAsync(this.#descriptor);
    this.#descriptor = opened;
    this.#isMidLine = false;
  }

  #divert(lines: readonly string[], reason: string): void {
    for (const line of lines) this.#overflow.take(line, reason);
  }
}
