import { close, closeSync, constants, fstat, open, stat, write, writeSync } from "node:fs";
import { promisify } from "node:util";
import { LineBuffer } from "./line-buffer.ts";
import type { LineOverflow } from "./line-overflow.ts";
import { DELAY, type LineSink, URGENT } from "./line-sink.ts";
import { describeWriteError } from "./stream-sink.ts";

const CHUNK = 64 * 1024;

/** Between two checks whether the path still names the open file, in milliseconds. */
const CHECK = 1000;

/** An operation on the file that takes longer than this hangs (a network mount that is gone, say), in milliseconds. */
const HANGING = 1000;

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

const openAsync = promisify(open);
const writeAsync = promisify(write);
const statAsync = promisify(stat);
const fstatAsync = promisify(fstat);
const closeAsync = promisify(close);

/** Opens a log file for appending; creates it where it is missing. */
export function openForAppending(path: string): Promise<number> {
  return openAsync(path, APPEND, 0o666);
}

/**
 * Writes lines to a regular file, one operation at a time and on libuv's threads: files know no O_NONBLOCK, so one that
 * hangs occupies one thread and nobody waits for it.
 */
export class FileSink implements LineSink {
  readonly #overflow: LineOverflow;
  /** Undefined for a descriptor that was inherited. */
  readonly #path: string | undefined;
  readonly #buffer = new LineBuffer(CHUNK);
  #descriptor: number;
  #timer: NodeJS.Timeout | undefined;
  /** Since when an operation runs, by `performance.now()`. */
  #busySince: number | undefined;
  #isWriting = false;
  #isMidLine = false;
  #checked = performance.now();

  constructor(descriptor: number, path: string | undefined, overflow: LineOverflow) {
    this.#descriptor = descriptor;
    this.#path = path;
    this.#overflow = overflow;
  }

  /** Whether an operation hangs, so that the process cannot end before it does. */
  get isHanging(): boolean {
    return this.#busySince !== undefined && performance.now() - this.#busySince > HANGING;
  }

  write(line: string, level: number): void {
    if (!this.#buffer.add(line, level)) this.#overflow.take(line, "it does not keep up");
    if (level >= URGENT || this.#buffer.size >= CHUNK) void this.#pump();
    else this.#timer ??= setTimeout(() => void this.#pump(), DELAY).unref();
  }

  flushSync(): void {
    if (this.isHanging) return this.#divert(this.#buffer.takeAll().lines, "it hangs");
    // Lines that are being written are completed by their thread, before the process ends.
    const lines = this.#isWriting ? this.#buffer.takeRest() : this.#buffer.takeAll().lines;
    try {
      const bytes = Buffer.from(lines.join(""));
      for (let written = 0; written < bytes.length; ) written += writeSync(this.#descriptor, bytes, written);
    } catch (error) {
      this.#divert(lines, describeWriteError(error));
    }
  }

  /** Nothing may be written after it. An inherited descriptor stays open, and so does one that is in use. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#path !== undefined && this.#busySince === undefined) closeSync(this.#descriptor);
  }

  /** Writes all that waits. Never rejects. */
  async #pump(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#busySince !== undefined) return;
    try {
      while (this.#buffer.size > 0) {
        this.#busySince = performance.now();
        await this.#follow();
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
    if (chunk === undefined) return; // flushed meanwhile
    this.#isWriting = true;
    const { bytesWritten } = await writeAsync(this.#descriptor, chunk, 0, chunk.length, null);
    this.#isWriting = false;
    this.#buffer.consume(bytesWritten);
  }

  /** Opens the file again where its path names another file by now, or none: it was rotated by renaming it. */
  async #follow(): Promise<void> {
    if (this.#path === undefined || performance.now() - this.#checked < CHECK) return;
    this.#checked = performance.now();
    const [held, named] = await Promise.all([
      fstatAsync(this.#descriptor),
      statAsync(this.#path).catch(() => undefined),
    ]);
    if (named?.ino === held.ino && named.dev === held.dev) return;
    const opened = await openForAppending(this.#path).catch(() => undefined);
    if (opened === undefined) return; // the old one is still there
    await closeAsync(this.#descriptor);
    this.#descriptor = opened;
    this.#isMidLine = false;
  }

  #divert(lines: readonly string[], reason: string): void {
    for (const line of lines) this.#overflow.take(line, reason);
  }
}
