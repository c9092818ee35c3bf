import type { Options } from "amqplib";
import { nameOfLevel } from "../observability/log.ts";
import type { Outgoing } from "./publisher.ts";

/** One record of a log, on its way to the broker. */
export interface LogRecord extends Outgoing {
  readonly line: string;
  /** As pino numbers it. */
  readonly level: number;
}

interface Fate {
  readonly late: (record: LogRecord) => void;
  readonly finish: (record: LogRecord, isConfirmed: boolean) => void;
}

const PROPERTIES: Options.Publish = { contentType: "application/json", persistent: false, appId: "authmq" };

/** A record whose routing key is the logger with the name of its level. */
export function createRecord(line: string, level: number, logger: string, { late, finish }: Fate): LogRecord {
  const record: LogRecord = {
    line,
    level,
    routingKey: `${logger}.${nameOfLevel(level)}`,
    // Made when it is written: what waits is not held twice.
    get content() {
      return Buffer.from(line.trimEnd());
    },
    properties: PROPERTIES,
    late: () => late(record),
    finish: (isConfirmed) => finish(record, isConfirmed),
  };
  return record;
}
