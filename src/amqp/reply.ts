import type { Options } from "amqplib";
import type { Config } from "../config/load.ts";
import type { Counters } from "../observability/counters.ts";
import type { Log } from "../observability/log.ts";
import type { Envelope } from "../rpc/envelope.ts";
import { isSafeReplyTo } from "./direct-reply-to.ts";
import { Publisher } from "./publisher.ts";

/** Sends replies to where callers want them. */
export interface ReplySender {
  /** Resolves when the reply is confirmed, unroutable, lost, or two seconds old. Never rejects. */
  send(replyTo: string, correlationId: string | undefined, envelope: Envelope): Promise<void>;
  /** Whether the caller's queue is still there; true as well when that cannot be told. */
  isReachable(replyTo: string): Promise<boolean>;
}

interface RepliesOptions {
  readonly amqp: Config["amqp"];
  readonly counters: Counters;
  readonly log: Log;
}

/** Replies on a connection apart from the one that consumes; odd addresses on a third, which they may break. */
export class Replies implements ReplySender {
  readonly #options: RepliesOptions;
  readonly #publisher: Publisher;
  #quarantine: Publisher | undefined;
  #stopped = false;

  constructor(options: RepliesOptions) {
    this.#options = options;
    this.#publisher = new Publisher({ ...options, purpose: "replies", resend: true, capacity: Infinity });
  }

  start(): Promise<void> {
    return this.#publisher.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([this.#publisher.stop(), this.#quarantine?.stop()]);
  }

  async send(replyTo: string, correlationId: string | undefined, envelope: Envelope): Promise<void> {
    const { message_lifetime: lifetime } = this.#options.amqp;
    const properties: Options.Publish = {
      contentType: "application/json",
      type: "result",
      appId: "authmq",
      deliveryMode: 1,
      mandatory: true,
      timestamp: Math.floor(Date.now() / 1000),
      ...(correlationId === undefined ? {} : { correlationId }),
      ...(lifetime === undefined ? {} : { expiration: Math.round(lifetime * 1000) }),
    };
    const publisher = isSafeReplyTo(replyTo) ? this.#publisher : this.#quarantined();
    await publisher?.send(replyTo, Buffer.from(JSON.stringify(envelope)), properties);
  }

  async isReachable(replyTo: string): Promise<boolean> {
    return !isSafeReplyTo(replyTo) || this.#publisher.hasQueue(replyTo);
  }

  #quarantined(): Publisher | undefined {
    if (this.#stopped) return undefined;
    if (this.#quarantine === undefined) {
      this.#quarantine = new Publisher({
        ...this.#options,
        purpose: "odd replies",
        resend: false,
        capacity: 100,
      });
      this.#quarantine.start().catch((error: unknown) => {
        this.#options.log.warn({ err: error }, "no connection for replies to odd addresses");
      });
    }
    return this.#quarantine;
  }
}
