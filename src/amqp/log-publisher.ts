import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config/load.ts";
import type { LineSink } from "../observability/line-sink.ts";
import { createLogOn, type Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { withChannel } from "./with-channel.ts";
import { createRecord, type LogRecord } from "./log-record.ts";
import { Publisher } from "./publisher.ts";

interface LogPublisherOptions {
  readonly amqp: Config["amqp"];
  readonly settings: Config["log"];
  /** Gets errors, and all records that cannot be published. */
  readonly lines: LineSink;
  readonly metrics: Metrics;
}

/** How long `stop` waits for confirms, in milliseconds. */
const CONFIRM_TIMEOUT = 2000;

/** The highest number of unconfirmed records in flight. */
const WINDOW = 512;

/** The highest total length of waiting records, in characters: more than a minute of a busy worker. */
const MAX_SIZE = 8 * 1024 * 1024;

/** Delay before the channel is reopened, in milliseconds. */
const RETRY = 1000;

/** Errors and above always go to the lines too: the broker itself may be the cause. */
const ERROR = 50;

/**
 * Publishes log records to a topic exchange on its own connection; writers never wait. A record without a confirm goes
 * to the lines, so that each record is in one of the two places.
 */
export class LogPublisher implements LineSink {
  readonly #options: LogPublisherOptions;
  readonly #publisher: Publisher;
  /** Its own messages go only to the lines, because they report that publishing fails. */
  readonly #log: Log;
  /** Records that are neither confirmed nor written to the lines. */
  readonly #unseen = new Set<LogRecord>();
  /** Total length of the records that are neither confirmed nor dropped, in characters. */
  #length = 0;
  #isStopping = false;
  #isFailing = false;
  #dropped = 0;
  #onEmpty: (() => void) | undefined;

  constructor(options: LogPublisherOptions) {
    const { amqp, metrics, lines, settings } = options;
    this.#options = options;
    this.#log = createLogOn(lines, settings.level);
    const { exchange } = settings.handler_settings;
    this.#publisher = new Publisher({
      amqp,
      exchange,
      purpose: "log",
      retriesRefusals: true,
      metrics,
      log: this.#log,
      prepare: async (model) => {
        await withChannel(model, (channel) => channel.checkExchange(exchange));
      },
      // A missing exchange is no reason to reconnect.
      reopens: { what: "channel", after: RETRY },
      resend: true,
      window: WINDOW,
    });
  }

  /** Connects in the background, so that the start does not wait for the log. */
  start(): void {
    this.#publisher.start().catch(() => undefined); // rejects only when it is stopped first
  }

  write(line: string, level: number): void {
    if (this.#isStopping) return this.#options.lines.write(line, level);
    const record = createRecord(line, level, this.#options.settings.handler_settings.logger, {
      late: (one) => this.#show(one),
      finish: (one, isConfirmed) => this.#finish(one, isConfirmed),
    });
    if (level >= ERROR) this.#options.lines.write(line, level);
    else this.#unseen.add(record);
    this.#length += line.length;
    while (this.#length > MAX_SIZE && this.#publisher.discardOldest());
    this.#publisher.post(record);
  }

  /** Writes all unconfirmed records to the lines. */
  flushSync(): void {
    for (const record of this.#unseen) this.#show(record);
    this.#options.lines.flushSync();
  }

  /** Waits up to two seconds for confirms; the remaining records go to the lines. */
  async stop(): Promise<void> {
    if (this.#publisher.size > 0 && !this.#isFailing) {
      const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
      await Promise.race([empty, sleep(CONFIRM_TIMEOUT, undefined, { ref: false })]);
    }
    this.#isStopping = true;
    this.flushSync();
    await this.#publisher.stop();
    this.#options.lines.flushSync();
  }

  #finish(record: LogRecord, isConfirmed: boolean): void {
    this.#length -= record.line.length;
    if (isConfirmed) this.#confirm(record);
    else if (!this.#isStopping) this.#drop(record);
  }

  #confirm(record: LogRecord): void {
    this.#unseen.delete(record);
    if (this.#dropped > 0) this.#logDropped();
    if (this.#publisher.size > 0) return;
    if (this.#isFailing) this.#log.info("log records are published again");
    this.#isFailing = false;
    this.#onEmpty?.();
  }

  /** Handles a record that was discarded to make room, or that the broker rejected. */
  #drop(record: LogRecord): void {
    this.#dropped++;
    this.#options.metrics.count("log_records_dropped_total");
    this.#show(record);
  }

  #logDropped(): void {
    const dropped = this.#dropped;
    this.#dropped = 0;
    createLogOn(this, this.#options.settings.level).warn(
      { dropped },
      "log records were dropped: the broker did not take them in time",
    );
  }

  #show(record: LogRecord): void {
    if (!this.#unseen.delete(record)) return;
    if (!this.#isFailing && !this.#isStopping) {
      this.#isFailing = true;
      const reason = this.#publisher.fault ?? "the broker does not confirm them";
      this.#log.warn({ reason }, "cannot publish log records: they are written here too");
    }
    this.#options.lines.write(record.line, record.level);
  }
}
