import { pino, type DestinationStream, type Logger } from "pino";
import type { LogConfig } from "../config/schema.ts";
import type { LineSink } from "./line-sink.ts";
import type { LogLevel, MessageAt } from "./log-messages.ts";
import { toPrintable } from "./printable.ts";
import { activeTraceId } from "./tracing.ts";

/**
 * Writes JSON lines without control sequences for terminals. Takes the messages of log-messages.ts, each at its level, and
 * fields that hold no password, token, key or request body.
 */
export interface Log extends Pick<Logger, "level" | "isLevelEnabled">, Writers {}

type Writers = { readonly [Level in LogLevel]: Write<MessageAt<Level>> };

interface Write<Message extends string> {
  (message: Message): void;
  (fields: object, message: Message): void;
}

/** A log that writes to a stream of the caller's choice. */
export function createLogTo(destination: DestinationStream, level: LogConfig["level"]): Logger {
  const options = {
    level,
    base: { pid: process.pid },
    serializers: { err: describeError },
    mixin: describeTrace,
  };
  return pino({ ...options, hooks: { streamWrite: toPrintable } }, destination);
}

/** A log whose sink learns the level of each line, and is told when the process is about to end. */
export function createLogOn(sink: LineSink, level: LogConfig["level"]): Log {
  const destination = {
    // pino tells the level of a line only to a stream that asks for it like this.
    [Symbol.for("pino.metadata")]: true,
    lastLevel: 0,
    write(line: string): void {
      sink.write(line, destination.lastLevel);
    },
    /** Called by pino with each fatal line. */
    flushSync: () => sink.flushSync(),
  };
  return createLogTo(destination, level);
}

/** What pino calls a level. */
export function nameOfLevel(level: number): string {
  return pino.levels.labels[level] ?? "info";
}

function describeTrace(): object {
  const trace_id = activeTraceId();
  return trace_id === undefined ? {} : { trace_id };
}

/** What a log line says of an error: drivers hang SQL texts, parameters and sockets on theirs, which stay out. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  return { type: error.name, message: error.message, ...code, stack: error.stack, ...cause };
}
