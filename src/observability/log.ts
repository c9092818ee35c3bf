import { pino, type DestinationStream, type Logger } from "pino";
import type { LogConfig } from "../config/schema.ts";
import type { LineSink } from "./line-sink.ts";
import type { LogLevel, MessageAt } from "./log-messages.ts";
import { toPrintable } from "./printable.ts";
import { activeTraceId } from "./tracing.ts";

/**
 * Writes JSON lines without terminal control sequences. Accepts the messages of log-messages.ts at their levels. Fields
 * must not contain a password, token, key or request body.
 */
export interface Log extends Pick<Logger, "level" | "isLevelEnabled">, Writers {}

type Writers = { readonly [Level in LogLevel]: Write<MessageAt<Level>> };

interface Write<Message extends string> {
  (message: Message): void;
  (fields: object, message: Message): void;
}

/** A log that writes to a stream. */
export function createLogTo(destination: DestinationStream, level: LogConfig["level"]): Logger {
  const options = {
    level,
    base: { pid: process.pid },
    serializers: { err: describeError },
    mixin: describeTrace,
  };
  return pino({ ...options, hooks: { streamWrite: toPrintable } }, destination);
}

/** A log that passes the level of each line to its sink, and flushes it after fatal lines. */
export function createLogOn(sink: LineSink, level: LogConfig["level"]): Log {
  const destination = {
    // pino sets lastLevel only on streams with this symbol.
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

/** pino's name of a level number. */
export function nameOfLevel(level: number): string {
  return pino.levels.labels[level] ?? "info";
}

function describeTrace(): object {
  const trace_id = activeTraceId();
  return trace_id === undefined ? {} : { trace_id };
}

/** The fields of an error to log. Drivers add SQL texts, parameters and sockets to their errors: these are left out. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  return { type: error.name, message: error.message, ...code, stack: error.stack, ...cause };
}
