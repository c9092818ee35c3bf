import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config/load.ts";
import type { LineSink } from "../observability/line-sink.ts";
import { createLogOn, type Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { askBroker } from "./ask-broker.ts";
import { createRecord, type LogRecord } from "./log-record.ts";
import { Publisher } from "./publisher.ts";

interface LogPublisherOptions {
  readonly amqp: Config["amqp"];
  readonly settings: Config["log"];
  /** Where lines go that must be seen, or cannot be published. */
  readonly lines: LineSink;
  readonly metrics: Metrics;
}

/** How long a stop waits for confirms, in milliseconds. */
const CONFIRM_TIMEOUT = 2000;

/** Records under way at once. */
const WINDOW = 512;

/** Characters of records that may wait for the broker; more than a minute of a busy worker is no use to anybody. */
const MAX_SIZE = 8 * 1024 * 1024;

/** Between two attempts to use the exchange on one connection, in milliseconds. */
const RETRY = 1000;

/** From errors on a record is always among the lines, too: the broker may be what the error is about. */
const ERROR = 50;

/**
 * Publishes a log's records to a topic exchange on a connection of its own, and keeps nobody waiting: whatever does not
 * arrive goes to the lines instead, so that each record is to be found in one of the two places.
 */
export class LogPublisher implements LineSink {
  readonly #options: LogPublisherOptions;
  readonly #publisher: Publisher;
  /** What it says of itself goes to the lines alone, or it would have to publish that it cannot publish. */
  readonly #log: Log;
  /** Records that are neither confirmed nor among the lines. */
  readonly #unseen = new Set<LogRecord>();
  /** Characters of all records that are neither confirmed nor dropped. */
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
      outlastsRefusals: true,
      metrics,
      log: this.#log,
      prepare: async (model) => {
        await askBroker(model, (channel) => channel.checkExchange(exchange));
      },
      // An exchange that is not there is no fault of the connection.
      renews: { what: "channel", after: RETRY },
      resend: true,
      window: WINDOW,
    });
  }

  /** Begins to connect; waits for nothing, because nobody must wait for a log. */
  start(): void {
    this.#publisher.start().catch(() => undefined); // stopped before
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
    while (this.#length > MAX_SIZE && this.#publisher.giveUpOldest());
    this.#publisher.post(record);
  }

  /** Puts among the lines what the broker has not confirmed. */
  flushSync(): void {
    for (const record of this.#unseen) this.#show(record);
    this.#options.lines.flushSync();
  }

  /** Publishes what waits, for two seconds at most; the rest goes to the lines. */
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
    if (this.#dropped > 0) this.#tellDropped();
    if (this.#publisher.size > 0) return;
    if (this.#isFailing) this.#log.info("log records are published again");
    this.#isFailing = false;
    this.#onEmpty?.();
  }

  /** It is too old, or the broker said no to this one alone. */
  #drop(record: LogRecord): void {
    this.#dropped++;
    this.#options.metrics.count("log_records_dropped_total");
    this.#show(record);
  }

  #tellDropped(): void {
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
