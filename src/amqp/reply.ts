import { setTimeout as sleep } from "node:timers/promises";
import type { Options } from "amqplib";
import type { Config } from "../config/load.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Envelope } from "../rpc/envelope.ts";
import { ReplyPublisher } from "./reply-publisher.ts";

/** What tells a caller which request a reply is for. */
export type Correlation = string | InHeader | undefined;

/** An id of an AMQP 1.0 request that RabbitMQ cannot put into a property of AMQP 0.9.1: bytes, or over 255 bytes of text. */
export interface InHeader {
  readonly header: Buffer | string;
}

/** Sends replies to where callers want them. */
export interface ReplySender {
  /** Resolves when the reply is confirmed, unroutable, lost, or two seconds old. Never rejects. */
  send(replyTo: string, correlation: Correlation, envelope: Envelope): Promise<void>;
  /** Whether the caller's queue is still there; true as well when that cannot be told. */
  isReachable(replyTo: string): Promise<boolean>;
}

interface RepliesOptions {
  readonly amqp: Config["amqp"];
  readonly metrics: Metrics;
  readonly log: Log;
}

/** RabbitMQ's direct reply-to: the address names an Erlang process instead of a queue. */
const DIRECT = "amq.rabbitmq.reply-to";

/** As long as a short string of AMQP is, in bytes. */
const MAX_SHORT = 255;

/** Addresses that are remembered as harmless; the oldest is forgotten first. */
const MAX_PROVEN = 10_000;

/** Replies to new direct addresses that may wait for their turn; more are lost at once. */
const MAX_WAITING = 1000;

/**
 * Replies on a connection apart from the one that consumes. RabbitMQ (3.10 at least) ends the whole connection that
 * publishes to a direct reply-to address which it cannot decode, and no look at the address tells whether it can. So the
 * first reply to each one goes over a third connection, one at a time: when that breaks, only the guilty reply is lost.
 */
export class Replies implements ReplySender {
  readonly #options: RepliesOptions;
  readonly #publisher: ReplyPublisher;
  readonly #proven = new Set<string>();
  #probation: ReplyPublisher | undefined;
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;
  #stopped = false;

  constructor(options: RepliesOptions) {
    this.#options = options;
    this.#publisher = new ReplyPublisher({ ...options, purpose: "replies", resend: true });
  }

  /** Why no reply can be sent now; undefined when one can. */
  get fault(): string | undefined {
    return this.#publisher.fault;
  }

  start(): Promise<void> {
    return this.#publisher.start();
  }

  /** Closes the connections after two seconds at most, so that replies under way arrive. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.race([this.#turn, sleep(2000, undefined, { ref: false })]);
    await Promise.all([this.#publisher.stop(), this.#probation?.stop()]);
  }

  async send(replyTo: string, correlation: Correlation, envelope: Envelope): Promise<void> {
    const { message_lifetime: lifetime } = this.#options.amqp;
    const content = Buffer.from(JSON.stringify(envelope));
    const properties: Options.Publish = {
      contentType: "application/json",
      type: "result",
      appId: "authmq",
      deliveryMode: 1,
      // RabbitMQ 3.10 returns every mandatory message to a direct address, those that arrive as well.
      mandatory: !replyTo.startsWith(DIRECT),
      timestamp: Math.floor(Date.now() / 1000),
      ...correlationProperties(correlation),
      ...(lifetime === undefined ? {} : { expiration: Math.round(lifetime * 1000) }),
    };
    if (this.#isHarmless(replyTo)) await this.#publisher.send(replyTo, content, properties);
    // Not awaited: while harmful addresses break the connection, their requests must not hold up the queue.
    else this.#prove(replyTo, content, properties);
  }

  async isReachable(replyTo: string): Promise<boolean> {
    return !this.#isHarmless(replyTo) || this.#publisher.hasQueue(replyTo);
  }

  #isHarmless(replyTo: string): boolean {
    return !replyTo.startsWith(DIRECT) || this.#proven.has(replyTo);
  }

  #prove(replyTo: string, content: Buffer, properties: Options.Publish): void {
    // A request that outlived the stop must not open a connection that nobody closes.
    if (this.#stopped || this.#waiting >= MAX_WAITING) {
      this.#options.metrics.count("replies_lost_total");
      return;
    }
    this.#waiting++;
    this.#turn = this.#turn.then(async () => {
      this.#waiting--;
      if (await this.#onProbation().send(replyTo, content, properties)) this.#remember(replyTo);
      else this.#options.log.warn("the first reply to a direct reply-to address was lost");
    });
  }

  #remember(replyTo: string): void {
    const [oldest] = this.#proven;
    if (oldest !== undefined && this.#proven.size >= MAX_PROVEN) this.#proven.delete(oldest);
    this.#proven.add(replyTo);
  }

  #onProbation(): ReplyPublisher {
    if (this.#probation === undefined) {
      // Refused because the user has too many connections, say, it must come all the same: callers wait for it.
      const options = { ...this.#options, purpose: "first replies", resend: false } as const;
      this.#probation = new ReplyPublisher({ ...options, outlastsRefusals: true });
      this.#probation.start().catch(() => undefined); // stopped before
    }
    return this.#probation;
  }
}

function correlationProperties(correlation: Correlation): Options.Publish {
  if (correlation === undefined) return {};
  // An id goes back to where RabbitMQ put it.
  if (typeof correlation === "object") return { headers: { "x-correlation-id": correlation.header } };
  // Bytes that are no UTF-8 were replaced by longer ones when the request was read.
  return Buffer.byteLength(correlation) > MAX_SHORT ? {} : { correlationId: correlation };
}
