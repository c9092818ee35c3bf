import type { ChannelModel } from "amqplib";
import type { Config } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { withChannel } from "./with-channel.ts";
import { Publisher } from "./publisher.ts";
import { RepeatedCauses } from "./repeated-causes.ts";
import { checkWritePermission } from "./write-permission.ts";

/** Delay before reconnecting when the broker closes the channel, in milliseconds. */
const REOPEN_DELAY = 2000;

/** A routing key for the permission check: topic permissions may depend on it. */
const SOME_EVENT = "user.created";

interface EventPublisherOptions {
  readonly amqp: Config["amqp"];
  readonly exchange: string;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** A message for the exchange of events. */
export interface EventMessage {
  readonly id: string;
  readonly routingKey: string;
  readonly contentType: string;
  readonly content: Buffer;
}

/** Publishes events on its own connection, so that events which cannot be published do not delay replies. */
export class EventPublisher {
  readonly #options: EventPublisherOptions;
  readonly #publisher: Publisher;
  readonly #causes = new RepeatedCauses();

  constructor(options: EventPublisherOptions) {
    this.#options = options;
    this.#publisher = new Publisher({
      ...options,
      purpose: "events",
      retriesRefusals: true,
      prepare: (model) => this.#prepare(model),
      // For example after the exchange was deleted: a new connection declares it again.
      reopens: { what: "connection", after: REOPEN_DELAY },
      resend: false, // the relay publishes the event again
    });
  }

  /** Why events cannot be published now; undefined when they can. */
  get fault(): string | undefined {
    return this.#publisher.fault;
  }

  /** Connects in the background and retries, even when the broker refuses: the worker serves without events. */
  start(): void {
    this.#publisher.start().catch(() => undefined); // rejects only when it is stopped first
  }

  stop(): Promise<void> {
    return this.#publisher.stop();
  }

  /** Whether the broker confirmed the message within two seconds; false at once when disconnected. Never rejects. */
  async publish({ id, routingKey, contentType, content }: EventMessage): Promise<boolean> {
    if (this.fault !== undefined) return false;
    return this.#publisher.send(routingKey, content, {
      messageId: id,
      contentType,
      appId: "authmq",
      type: "event",
      persistent: true,
      timestamp: Math.floor(Date.now() / 1000),
    });
  }

  /** Declares the exchange; keeps an existing exchange if the declaration is refused or its properties differ. */
  async #prepare(model: ChannelModel): Promise<void> {
    const { exchange, log } = this.#options;
    try {
      await withChannel(model, (channel) => channel.assertExchange(exchange, "topic", { durable: true }));
    } catch (error) {
      const reason = messageOf(error);
      if (this.#causes.note(reason).shouldLog)
        log.warn({ exchange, reason }, "cannot declare the events exchange");
      await withChannel(model, (channel) => channel.checkExchange(exchange));
    }
    await checkWritePermission(model, exchange, SOME_EVENT);
  }
}
