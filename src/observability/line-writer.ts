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

/** The log lines of a process. */
export interface Lines extends LineSink {
  /** Stderr as it is: for what must be seen there, wherever the log goes. */
  readonly stderr: LineSink;
  /** Whether an operation on a file hangs, so that the process cannot end by itself. */
  readonly isHanging: boolean;
  /** Writes what waits and closes what was opened; later lines are dropped. */
  close(): void;
}

type Sink = StreamSink | FileSink;

const STDERR = 2;

/** Opening a file may take so long, in milliseconds. Then the start goes on, and lines go to stderr until it is open. */
const OPEN_LIMIT = 2000;

const { O_WRONLY, O_RDWR, O_APPEND, O_NONBLOCK, O_NOCTTY } = constants;

/**
 * Opens where the log lines of this process go: the configured file, or stderr, pretty where that is a terminal unless
 * `pretty` is false. Nobody who logs waits for a reader or a disk; `count` is called for each line that is dropped.
 * Rejects when the file cannot be opened. Lines are flushed when the process exits.
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
    const opened = await Promise.race([opening, sleep(OPEN_LIMIT, undefined, { ref: false })]);
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

/** A descriptor of stderr's pipe or terminal that does not block, and leaves that of other processes as it is. */
function openNonBlocking(): number {
  try {
    return openSync(`/proc/self/fd/${STDERR}`, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY);
  } catch {
    // A socket (journald), another user's pipe, or no /proc. Node's own stream makes the shared descriptor non-blocking.
    process.stderr.write("");
    return STDERR;
  }
}

async function openFile(path: string, stderr: LineSink): Promise<Sink> {
  const overflow = divertLines(path, stderr);
  const kind = await stat(path).catch(() => undefined);
  if (kind === undefined || kind.isFile()) return new FileSink(await openForAppending(path), path, overflow);
  // To read as well: a FIFO without a reader could not be opened otherwise, and one that comes later gets what waits.
  const flags = kind.isFIFO() ? O_RDWR : O_WRONLY | O_APPEND | O_NOCTTY;
  return new StreamSink(openSync(path, flags | O_NONBLOCK), overflow);
}

async function prettyFormat(): Promise<(line: string) => string> {
  // Nobody else waits until it is loaded.
  const { createPretty } = await import("./pretty.ts");
  return createPretty({ colours: process.stderr.hasColors() });
}
