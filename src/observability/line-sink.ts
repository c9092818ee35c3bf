/** Where log lines go. Neither method waits for a reader, except `flushSync` for a bounded time. */
export interface LineSink {
  /** Takes a line with its newline; `level` as pino numbers it. */
  write(line: string, level: number): void;
  /** Writes what waits, as far as it is taken within about a second: the process may be about to end. */
  flushSync(): void;
}

/** From warnings on a line is written at once: it may be the last one of a process. */
export const URGENT = 40;

/** How long other lines wait to be written together, in milliseconds: a system call for each costs more than the line. */
export const DELAY = 20;
