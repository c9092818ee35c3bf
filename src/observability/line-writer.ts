import { closeSync, fstatSync, openSync, statSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import type { LogConfig } from "../config/schema.ts";

/** Where lines go. */
export interface LineSink {
  /** Takes a line with its end; `level` as pino numbers it. */
  write(line: string, level: number): void;
  /** Has on its way whatever is still here: the process may be about to end. */
  flushSync(): void;
}

/** So long a line may wait for others, in milliseconds, and so much of them: a system call for each costs more than itself. */
const DELAY = 20;
const MAX_WAITING = 64 * 1024;

/** From warnings on nothing waits: they may be the last that is heard of a process. */
const URGENT = 40;

/** Between two attempts at a pipe that is full and does not block, in milliseconds. */
const PAUSE = 5;

/** Between two looks whether the file still has its name, in milliseconds. */
const LOOK = 1000;

const STDERR = 2;

/**
 * Where the lines of a process go that serves, for as long as it lives: the configured file, or stderr, made for people
 * where that is a terminal. Throws when the file cannot be opened.
 */
export async function openLines({ handler, handler_settings: { path } }: LogConfig): Promise<LineSink> {
  const file = handler === "file" ? path : undefined;
  const writer = new LineWriter(file);
  process.on("exit", () => writer.flushSync());
  if (file !== undefined || !isatty(STDERR)) return writer;
  // Nobody else waits until it is loaded.
  const { createPretty } = await import("./pretty.ts");
  const pretty = createPretty({ colours: process.stderr.hasColors() });
  return {
    write: (line, level) => writer.write(pretty(line), level),
    flushSync: () => writer.flushSync(),
  };
}

/** Gathers lines for a file, or stderr. What stands in a file's way is no reason to end: then lines go to stderr, or nowhere. */
class LineWriter implements LineSink {
  static readonly #clock = new Int32Array(new SharedArrayBuffer(4));
  readonly #path: string | undefined;
  #descriptor: number;
  #waiting = "";
  #timer: NodeJS.Timeout | undefined;
  /** By `performance.now()`. */
  #looked = performance.now();

  constructor(path: string | undefined) {
    this.#path = path;
    this.#descriptor = path === undefined ? STDERR : openSync(path, "a");
  }

  write(line: string, level: number): void {
    this.#waiting += line;
    if (level >= URGENT || this.#waiting.length >= MAX_WAITING) this.flushSync();
    // It keeps no process running: whatever ends one writes what is left.
    else this.#timer ??= setTimeout(() => this.flushSync(), DELAY).unref();
  }

  flushSync(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const bytes = Buffer.from(this.#waiting);
    this.#waiting = "";
    if (this.#path !== undefined) this.#follow(this.#path);
    if (this.#put(this.#descriptor, bytes) || this.#descriptor === STDERR) return;
    this.#put(STDERR, bytes);
  }

  /** Opens the file anew where something else has its name by now, or nothing: it was turned over by renaming it. */
  #follow(path: string): void {
    if (performance.now() - this.#looked < LOOK) return;
    this.#looked = performance.now();
    try {
      const held = fstatSync(this.#descriptor);
      const named = statSync(path, { throwIfNoEntry: false });
      if (named?.ino === held.ino && named.dev === held.dev) return;
      const opened = openSync(path, "a");
      closeSync(this.#descriptor);
      this.#descriptor = opened;
    } catch {
      // The old one is still there.
    }
  }

  /** False where it cannot be written. */
  #put(descriptor: number, bytes: Buffer): boolean {
    for (let written = 0; written < bytes.length; ) {
      try {
        written += writeSync(descriptor, bytes, written);
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) return false;
        Atomics.wait(LineWriter.#clock, 0, 0, PAUSE);
      }
    }
    return true;
  }
}
