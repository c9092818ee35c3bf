import { LogPublisher } from "../../amqp/log-publisher.ts";
import type { Config } from "../../config/load.ts";
import type { LineSink } from "../../observability/line-sink.ts";
import { createLogOn, type Log } from "../../observability/log.ts";
import type { Metrics } from "../../observability/metrics.ts";

/** The log of a worker process. */
export interface LogSetup {
  readonly log: Log;
  /** Flushes all records within a few seconds; later records go to `lines`. */
  readonly close: () => Promise<void>;
}

/** Creates the configured log, with `lines` as the local sink. */
export function setUpLog({ amqp, log: settings }: Config, lines: LineSink, metrics: Metrics): LogSetup {
  const { level, handler } = settings;
  if (handler !== "amqp") return { log: createLogOn(lines, level), close: async () => lines.flushSync() };
  const publisher = new LogPublisher({ amqp, settings, lines, metrics });
  // Records that the broker has not confirmed go to the local sink, however the process ends.
  process.on("exit", () => publisher.flushSync());
  publisher.start();
  return { log: createLogOn(publisher, level), close: () => publisher.stop() };
}
