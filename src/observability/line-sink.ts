/** A destination of log lines. Only `flushSync` waits for a reader, for a limited time. */
export interface LineSink {
  /** Writes a line that ends with a newline; `level` is pino's number. */
  write(line: string, level: number): void;
  /** Writes waiting lines for a few seconds at most, because the process may be about to exit. */
  flushSync(): void;
}

/** Warnings and above are written at once, because a line may be the last one of the process. */
export const URGENT = 40;

/** Other lines are collected for this long, in milliseconds: a system call costs more than a line. */
export const DELAY = 20;
