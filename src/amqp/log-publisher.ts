import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config/load.ts";
import type { LineSink } from "../observability/line-sink.ts";
import { createLogOn, type Log, nameOfLevel } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { askBroker } from "./ask-broker.ts";
import { SupervisedConfirmChannel } from "./confirm-channel.ts";
import { type LogRecord, RecordQueue } from "./record-queue.ts";

interface LogPublisherOptions {
  readonly amqp: Config["amqp"];
  readonly settings: Config["log"];
  /** Where lines go that must be seen, or cannot be published. */
  readonly lines: LineSink;
  readonly metrics: Metrics;
}

/** A record that the broker has not confirmed after so many milliseconds goes to the lines as well. */
const PATIENCE = 2000;

/** Records under way at once: what is confirmed late waits here and not in the connection. */
const WINDOW = 512;

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
  readonly #channel: SupervisedConfirmChannel;
  /** What it says of itself goes to the lines alone, or it would have to publish that it cannot publish. */
  readonly #log: Log;
  readonly #queue = new RecordQueue();
  #isStopping = false;
  #isFailing = false;
  #timer: NodeJS.Timeout | undefined;
  #dropped = 0;
  #onEmpty: (() => void) | undefined;

  constructor(options: LogPublisherOptions) {
    const { amqp, metrics, lines, settings } = options;
    this.#options = options;
    this.#log = createLogOn(lines, settings.level);
    const { exchange } = settings.handler_settings;
    this.#channel = new SupervisedConfirmChannel({
      amqp,
      purpose: "log",
      outlastsRefusals: true,
      metrics,
      log: this.#log,
      prepare: async (model) => {
        await askBroker(model, (channel) => channel.checkExchange(exchange));
      },
      // An exchange that is not there is no fault of the connection.
      renews: { what: "channel", after: RETRY },
      onReady: () => this.#flush(),
      onGone: () => this.#queue.takeBack(),
    });
  }

  /** Begins to connect; waits for nothing, because nobody must wait for a log. */
  start(): void {
    this.#channel.start().catch(() => undefined); // stopped before
  }

  write(line: string, level: number): void {
    if (this.#isStopping) return this.#options.lines.write(line, level);
    const isSeen = level >= ERROR;
    if (isSeen) this.#options.lines.write(line, level);
    for (const oldest of this.#queue.add({ line, level, at: performance.now() }, isSeen)) this.#drop(oldest);
    this.#timer ??= setTimeout(() => this.#showLate(), PATIENCE).unref();
    this.#flush();
  }

  /** Puts among the lines what the broker has not confirmed. */
  flushSync(): void {
    for (const record of this.#queue.unseen) this.#show(record);
    this.#options.lines.flushSync();
  }

  /** Publishes what waits, for two seconds at most; the rest goes to the lines. */
  async stop(): Promise<void> {
    if (this.#queue.size > 0 && !this.#isFailing) {
      const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
      await Promise.race([empty, sleep(PATIENCE, undefined, { ref: false })]);
    }
    this.#isStopping = true;
    clearTimeout(this.#timer);
    this.flushSync();
    await this.#channel.stop();
    this.#options.lines.flushSync();
  }

  #flush(): void {
    const { exchange, logger } = this.#options.settings.handler_settings;
    while (this.#channel.isReady && this.#queue.underway < WINDOW) {
      const record = this.#queue.next();
      if (record === undefined) return;
      const key = `${logger}.${nameOfLevel(record.level)}`;
      const content = Buffer.from(record.line.trimEnd());
      const properties = { contentType: "application/json", persistent: false, appId: "authmq" };
      try {
        this.#channel.publish(exchange, key, content, properties, (isConfirmed) =>
          isConfirmed ? this.#confirm(record) : this.#refuse(record),
        );
      } catch {
        return; // the channel is closing, and takes back what is under way
      }
    }
  }

  #confirm(record: LogRecord): void {
    this.#queue.remove(record);
    if (this.#dropped > 0) this.#tellDropped();
    if (this.#queue.size === 0) {
      if (this.#isFailing) this.#log.info("log records are published again");
      this.#isFailing = false;
      this.#onEmpty?.();
    } else this.#flush();
  }

  /** The broker said no to this one alone. */
  #refuse(record: LogRecord): void {
    this.#drop(record);
    this.#queue.remove(record);
    this.#flush();
  }

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

  #showLate(): void {
    this.#timer = undefined;
    const due = performance.now() - PATIENCE;
    for (const record of this.#queue.unseen) {
      if (record.at > due) {
        this.#timer = setTimeout(() => this.#showLate(), Math.max(100, record.at - due)).unref();
        return;
      }
      this.#show(record);
    }
  }

  #show(record: LogRecord): void {
    if (!this.#queue.see(record)) return;
    if (!this.#isFailing && !this.#isStopping) {
      this.#isFailing = true;
      const reason = this.#channel.fault ?? "the broker does not confirm them";
      this.#log.warn({ reason }, "log records cannot be published and are written here as well");
    }
    this.#options.lines.write(record.line, record.level);
  }
}
