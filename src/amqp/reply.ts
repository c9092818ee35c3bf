import { setTimeout as sleep } from "node:timers/promises";
import type { Options } from "amqplib";
import type { Config } from "../config/load.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Envelope } from "../rpc/envelope.ts";
import { ReplyPublisher } from "./reply-publisher.ts";

/** The ID by which a caller matches a reply to its request. */
export type Correlation = string | InHeader | undefined;

/** An AMQP 1.0 ID that fits no AMQP 0.9.1 property, so that RabbitMQ puts it into a header: bytes, or a long text. */
export interface InHeader {
  readonly header: Buffer | string;
}

/** Sends replies to callers. */
export interface ReplySender {
  /** Resolves when the reply is confirmed, unroutable or lost, after two seconds at the latest. Never rejects. */
  send(replyTo: string, correlation: Correlation, envelope: Envelope): Promise<void>;
  /** Whether the caller's queue still exists; true when that is unknown. */
  isReachable(replyTo: string): Promise<boolean>;
}

interface RepliesOptions {
  readonly amqp: Config["amqp"];
  readonly metrics: Metrics;
  readonly log: Log;
}

/** RabbitMQ's direct reply-to: the address names an Erlang process instead of a queue. */
const DIRECT = "amq.rabbitmq.reply-to";

/** The longest short string of AMQP, in bytes. */
const MAX_SHORT = 255;

/** How many valid direct addresses are remembered; the oldest is forgotten first. */
const MAX_KNOWN = 10_000;

/** How many first replies to direct addresses may wait; further ones are lost at once. */
const MAX_WAITING = 1000;

/**
 * Sends replies on their own connection. RabbitMQ (at least 3.10) closes a connection that publishes to an invalid
 * direct reply-to address, and the address does not show whether it is valid. So the first reply to each direct address
 * goes over a third connection, one at a time: if it breaks, only that reply is lost.
 */
export class Replies implements ReplySender {
  readonly #options: RepliesOptions;
  readonly #publisher: ReplyPublisher;
  readonly #known = new Set<string>();
  #firstReplies: ReplyPublisher | undefined;
  #lastTurn: Promise<void> = Promise.resolve();
  #waiting = 0;
  #stopped = false;

  constructor(options: RepliesOptions) {
    this.#options = options;
    this.#publisher = new ReplyPublisher({ ...options, purpose: "replies", resend: true });
  }

  /** Why replies cannot be sent now; undefined when they can. */
  get fault(): string | undefined {
    return this.#publisher.fault;
  }

  start(): Promise<void> {
    return this.#publisher.start();
  }

  /** Waits up to two seconds for first replies, then closes the connections. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.race([this.#lastTurn, sleep(2000, undefined, { ref: false })]);
    await Promise.all([this.#publisher.stop(), this.#firstReplies?.stop()]);
  }

  async send(replyTo: string, correlation: Correlation, envelope: Envelope): Promise<void> {
    const { message_lifetime: lifetime } = this.#options.amqp;
    const content = Buffer.from(JSON.stringify(envelope));
    const properties: Options.Publish = {
      contentType: "application/json",
      type: "result",
      appId: "authmq",
      deliveryMode: 1,
      // RabbitMQ 3.10 returns every mandatory message to a direct address, even one that arrives.
      mandatory: !replyTo.startsWith(DIRECT),
      timestamp: Math.floor(Date.now() / 1000),
      ...correlationProperties(correlation),
      ...(lifetime === undefined ? {} : { expiration: Math.round(lifetime * 1000) }),
    };
    if (this.#isSafe(replyTo)) await this.#publisher.send(replyTo, content, properties);
    // Not awaited: requests with invalid addresses must not block the queue while the connection breaks.
    else this.#sendFirst(replyTo, content, properties);
  }

  async isReachable(replyTo: string): Promise<boolean> {
    return !this.#isSafe(replyTo) || this.#publisher.hasQueue(replyTo);
  }

  #isSafe(replyTo: string): boolean {
    return !replyTo.startsWith(DIRECT) || this.#known.has(replyTo);
  }

  #sendFirst(replyTo: string, content: Buffer, properties: Options.Publish): void {
    // A request that ends after the stop must not open a new connection.
    if (this.#stopped || this.#waiting >= MAX_WAITING) {
      this.#options.metrics.count("replies_lost_total");
      return;
    }
    this.#waiting++;
    this.#lastTurn = this.#lastTurn.then(async () => {
      this.#waiting--;
      if (await this.#firstReplyPublisher().send(replyTo, content, properties)) this.#remember(replyTo);
      else this.#options.log.warn("the first reply to a direct reply-to address was lost");
    });
  }

  #remember(replyTo: string): void {
    const [oldest] = this.#known;
    if (oldest !== undefined && this.#known.size >= MAX_KNOWN) this.#known.delete(oldest);
    this.#known.add(replyTo);
  }

  #firstReplyPublisher(): ReplyPublisher {
    if (this.#firstReplies === undefined) {
      // Callers wait for these replies, so retry even when the broker refuses, for example above a connection limit.
      const options = { ...this.#options, purpose: "first replies", resend: false } as const;
      this.#firstReplies = new ReplyPublisher({ ...options, retriesRefusals: true });
      this.#firstReplies.start().catch(() => undefined); // rejects only when it is stopped first
    }
    return this.#firstReplies;
  }
}

function correlationProperties(correlation: Correlation): Options.Publish {
  if (correlation === undefined) return {};
  // The ID goes back into the header that RabbitMQ uses for it.
  if (typeof correlation === "object") return { headers: { "x-correlation-id": correlation.header } };
  // Decoding replaces invalid UTF-8 with longer bytes, so the ID may have become too long.
  return Buffer.byteLength(correlation) > MAX_SHORT ? {} : { correlationId: correlation };
}
