import type { Options } from "amqplib";
import { nameOfLevel } from "../observability/log.ts";
import type { Outgoing } from "./publisher.ts";

/** A log record to publish. */
export interface LogRecord extends Outgoing {
  readonly line: string;
  /** pino's number of the level. */
  readonly level: number;
}

interface Callbacks {
  readonly late: (record: LogRecord) => void;
  readonly finish: (record: LogRecord, isConfirmed: boolean) => void;
}

const PROPERTIES: Options.Publish = { contentType: "application/json", persistent: false, appId: "authmq" };

/** A record with the routing key `<logger>.<name of the level>`. */
export function createRecord(
  line: string,
  level: number,
  logger: string,
  { late, finish }: Callbacks,
): LogRecord {
  const record: LogRecord = {
    line,
    level,
    routingKey: `${logger}.${nameOfLevel(level)}`,
    // Encoded on demand, so that a waiting record is not in memory twice.
    get content() {
      return Buffer.from(line.trimEnd());
    },
    properties: PROPERTIES,
    late: () => late(record),
    finish: (isConfirmed) => finish(record, isConfirmed),
  };
  return record;
}
