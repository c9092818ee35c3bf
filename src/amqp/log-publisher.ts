import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelModel, ConfirmChannel } from "amqplib";
import type { Config } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import type { LineSink } from "../observability/line-sink.ts";
import { createLogOn, type Log, nameOfLevel } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { SupervisedConnection } from "./connection.ts";
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
  readonly #connection: SupervisedConnection;
  readonly #stopping = new AbortController();
  /** What it says of itself goes to the lines alone, or it would have to publish that it cannot publish. */
  readonly #log: Log;
  readonly #queue = new RecordQueue();
  #model: ChannelModel | undefined;
  #channel: ConfirmChannel | undefined;
  #isBlocked = false;
  #fault: string | undefined;
  #isFailing = false;
  #timer: NodeJS.Timeout | undefined;
  #dropped = 0;
  #onEmpty: (() => void) | undefined;

  constructor(options: LogPublisherOptions) {
    const { amqp, metrics, lines, settings } = options;
    this.#options = options;
    this.#log = createLogOn(lines, settings.level);
    this.#connection = new SupervisedConnection({
      amqp,
      purpose: "log",
      outlastsRefusals: true,
      metrics,
      log: this.#log,
      onOpen: async (model) => this.#attach(model),
      onClosed: () => (this.#model = undefined),
    });
  }

  /** Begins to connect; waits for nothing, because nobody must wait for a log. */
  start(): void {
    this.#connection.start().catch(() => undefined); // stopped before
  }

  write(line: string, level: number): void {
    if (this.#stopping.signal.aborted) return this.#options.lines.write(line, level);
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
    this.#stopping.abort();
    clearTimeout(this.#timer);
    this.flushSync();
    await this.#connection.stop();
    this.#options.lines.flushSync();
  }

  #attach(model: ChannelModel): void {
    this.#model = model;
    this.#isBlocked = false;
    model.on("blocked", () => (this.#isBlocked = true));
    model.on("unblocked", () => {
      this.#isBlocked = false;
      this.#flush();
    });
    void this.#open(model, 0);
  }

  /** Takes a channel into service once the exchange is there; an exchange that is not is no fault of the connection. */
  async #open(model: ChannelModel, pause: number): Promise<void> {
    const { exchange } = this.#options.settings.handler_settings;
    const { signal } = this.#stopping;
    for (; ; pause = RETRY) {
      await sleep(pause, undefined, { signal, ref: false }).catch(() => undefined);
      if (this.#model !== model || signal.aborted) return;
      try {
        const channel = await model.createConfirmChannel();
        channel.on("error", (error) => (this.#fault = messageOf(error)));
        await channel.checkExchange(exchange);
        channel.on("close", () => this.#lose(model));
        this.#channel = channel;
        this.#fault = undefined;
        this.#flush();
        return;
      } catch (error) {
        this.#fault = messageOf(error);
      }
    }
  }

  #lose(model: ChannelModel): void {
    this.#channel = undefined;
    this.#queue.takeBack();
    // Not at once: what closed the channel may do so again. When it is the connection that closes, nobody comes back.
    if (!this.#stopping.signal.aborted) void this.#open(model, RETRY);
  }

  #flush(): void {
    const channel = this.#channel;
    if (channel === undefined || this.#isBlocked) return;
    const { exchange, logger } = this.#options.settings.handler_settings;
    while (this.#queue.underway < WINDOW) {
      const record = this.#queue.next();
      if (record === undefined) return;
      const content = Buffer.from(record.line.trimEnd());
      const properties = { contentType: "application/json", persistent: false, appId: "authmq" };
      try {
        channel.publish(exchange, `${logger}.${nameOfLevel(record.level)}`, content, properties, (error) => {
          if (error === null) this.#confirm(record);
          // amqplib says so of a channel that closes, before the close itself: those records are published again.
          else queueMicrotask(() => this.#channel === channel && this.#refuse(record));
        });
      } catch (error) {
        // The channel is closing, and takes back what is under way.
        this.#fault = messageOf(error);
        return;
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
    if (!this.#isFailing && !this.#stopping.signal.aborted) {
      this.#isFailing = true;
      const blocked = this.#isBlocked
        ? "the broker blocks publishers: it is short of memory or disk"
        : undefined;
      const reason = this.#connection.fault ?? blocked ?? this.#fault ?? "the broker does not confirm them";
      this.#log.warn({ reason }, "log records cannot be published and are written here as well");
    }
    this.#options.lines.write(record.line, record.level);
  }
}
