import { pino, type DestinationStream, type Logger } from "pino";
import type { LogConfig } from "../config/schema.ts";
import { toPrintable } from "./printable.ts";

/**
 * Writes JSON lines with nothing in them that a terminal would obey; takes objects that hold no password, token, key or
 * request body.
 */
export type Log = Logger;

/** A log on stderr or in the configured file; throws when that file cannot be opened. */
export function createLog(config: LogConfig): Log {
  const { path } = config.handler_settings;
  const destination = pino.destination(config.handler === "file" && path !== undefined ? path : 2);
  return createLogTo(destination, config.level);
}

/** A log that writes to a stream of the caller's choice. */
export function createLogTo(destination: DestinationStream, level: LogConfig["level"]): Log {
  const options = { level, base: { pid: process.pid }, serializers: { err: describeError } };
  return pino({ ...options, hooks: { streamWrite: toPrintable } }, destination);
}

/** What a log line says of an error: drivers hang SQL texts, parameters and sockets on theirs, which stay out. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  return { type: error.name, message: error.message, ...code, stack: error.stack, ...cause };
}
