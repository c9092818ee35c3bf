import { constants, fstatSync, openSync } from "node:fs";
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { isatty } from "node:tty";
import type { LogConfig } from "../config/schema.ts";
import { FileSink, openForAppending } from "./file-sink.ts";
import { divertLines, dropLines } from "./line-overflow.ts";
import type { LineSink } from "./line-sink.ts";
import { createLogOn } from "./log.ts";
import { StreamSink } from "./stream-sink.ts";

/** Writes the log lines of a process. */
export interface Lines extends LineSink {
  /** Stderr, for lines that must go there whatever the configured log handler. */
  readonly stderr: LineSink;
  /** Whether a file operation hangs, so that the process cannot exit by itself. */
  readonly isHanging: boolean;
  /** Writes waiting lines and closes the files; later lines are dropped. */
  close(): void;
}

type Sink = StreamSink | FileSink;

const STDERR = 2;

/** After this time the start continues and lines go to stderr until the file is open, in milliseconds. */
const OPEN_TIMEOUT = 2000;

const { O_WRONLY, O_RDWR, O_APPEND, O_NONBLOCK, O_NOCTTY } = constants;

/**
 * Opens the destination of this process's log lines: the configured file, or stderr. Lines on a terminal are formatted
 * unless `pretty` is false. Writers never wait for a reader or a disk; `count` is called for each dropped line. Rejects
 * when the file cannot be opened. Lines are flushed when the process exits.
 */
export async function openLines(
  { handler, handler_settings: { path } }: LogConfig,
  count: () => void,
  { pretty = true } = {},
): Promise<Lines> {
  const stderr = openStderr(count);
  const isFile = handler === "file" && path !== undefined;
  const format = pretty && !isFile && isatty(STDERR) ? await prettyFormat() : undefined;
  let target: Sink | undefined = isFile ? undefined : stderr;
  if (isFile) {
    const opening = openFile(path, stderr).then((sink) => (target = sink));
    const opened = await Promise.race([opening, sleep(OPEN_TIMEOUT, undefined, { ref: false })]);
    if (opened === undefined) {
      createLogOn(stderr, "warn").warn({ path }, "the log file does not open: log lines are written here");
      opening.catch((error: unknown) =>
        createLogOn(stderr, "error").error({ path, err: error }, "cannot open the log file"),
      );
    }
  }
  const flushSync = (): void => {
    target?.flushSync();
    if (target !== stderr) stderr.flushSync();
  };
  process.on("exit", flushSync);
  let isClosed = false;
  return {
    stderr,
    get isHanging() {
      return (
        target === undefined || [target, stderr].some((sink) => sink instanceof FileSink && sink.isHanging)
      );
    },
    write(line, level) {
      if (!isClosed) (target ?? stderr).write(format === undefined ? line : format(line), level);
    },
    flushSync,
    close() {
      if (isClosed) return;
      flushSync();
      isClosed = true;
      process.off("exit", flushSync);
      for (const sink of new Set([target, stderr])) sink?.close();
    },
  };
}

function openStderr(count: () => void): Sink {
  const overflow = dropLines(count);
  return fstatSync(STDERR).isFile()
    ? new FileSink(STDERR, undefined, overflow)
    : new StreamSink(openNonBlocking(), overflow);
}

/** Opens stderr's pipe or terminal without blocking, and without changing the descriptor that other processes share. */
function openNonBlocking(): number {
  try {
    return openSync(`/proc/self/fd/${STDERR}`, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY);
  } catch {
    // A socket (journald), another user's pipe, or no /proc: Node's stream makes the shared descriptor non-blocking.
    process.stderr.write("");
    return STDERR;
  }
}

async function openFile(path: string, stderr: LineSink): Promise<Sink> {
  const overflow = divertLines(path, stderr);
  const kind = await stat(path).catch(() => undefined);
  if (kind === undefined || kind.isFile()) return new FileSink(await openForAppending(path), path, overflow);
  // O_RDWR opens a FIFO even without a reader; a later reader gets the waiting lines.
  const flags = kind.isFIFO() ? O_RDWR : O_WRONLY | O_APPEND | O_NOCTTY;
  return new StreamSink(openSync(path, flags | O_NONBLOCK), overflow);
}

async function prettyFormat(): Promise<(line: string) => string> {
  // Loaded on demand, because only terminals need it.
  const { createPretty } = await import("./pretty.ts");
  return createPretty({ colours: process.stderr.hasColors() });
}
