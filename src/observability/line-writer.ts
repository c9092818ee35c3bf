import { openSync, writeSync } from "node:fs";
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

const STDERR = 2;

/**
 * Where the lines of a process go that serves, for as long as it lives: the configured file, or stderr, made for people
 * where that is a terminal. Throws when the file cannot be opened.
 */
export async function openLines({ handler, handler_settings: { path } }: LogConfig): Promise<LineSink> {
  const isFile = handler === "file" && path !== undefined;
  const writer = new LineWriter(isFile ? openSync(path, "a") : STDERR);
  process.on("exit", () => writer.flushSync());
  if (isFile || !isatty(STDERR)) return writer;
  // Nobody else waits until it is loaded.
  const { createPretty } = await import("./pretty.ts");
  const pretty = createPretty({ colours: process.stderr.hasColors() });
  return {
    write: (line, level) => writer.write(pretty(line), level),
    flushSync: () => writer.flushSync(),
  };
}

/** Gathers lines for a descriptor. What stands in a file's way is no reason to end: then lines go to stderr, or nowhere. */
class LineWriter implements LineSink {
  static readonly #clock = new Int32Array(new SharedArrayBuffer(4));
  readonly #descriptor: number;
  #waiting = "";
  #timer: NodeJS.Timeout | undefined;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
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
    if (this.#put(this.#descriptor, bytes) || this.#descriptor === STDERR) return;
    this.#put(STDERR, bytes);
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
