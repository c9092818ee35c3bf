import { LogPublisher } from "../../amqp/log-publisher.ts";
import type { Config } from "../../config/load.ts";
import type { LineSink } from "../../observability/line-sink.ts";
import { createLogOn, type Log } from "../../observability/log.ts";
import type { Metrics } from "../../observability/metrics.ts";

/** The log of a process that serves. */
export interface LogSetup {
  readonly log: Log;
  /** Has every record where it belongs, within a few seconds; what is logged later goes to the lines. */
  readonly close: () => Promise<void>;
}

/** The configured log over the lines of this process. */
export function setUpLog({ amqp, log: settings }: Config, lines: LineSink, metrics: Metrics): LogSetup {
  const { level, handler } = settings;
  if (handler !== "amqp") return { log: createLogOn(lines, level), close: async () => lines.flushSync() };
  const publisher = new LogPublisher({ amqp, settings, lines, metrics });
  // However the process ends, what the broker has not confirmed is to be seen.
  process.on("exit", () => publisher.flushSync());
  publisher.start();
  return { log: createLogOn(publisher, level), close: () => publisher.stop() };
}
