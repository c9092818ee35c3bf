import type { ChannelModel } from "amqplib";
import type { Config } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { askBroker } from "./ask-broker.ts";
import { Publisher } from "./publisher.ts";
import { RepeatedCauses } from "./repeated-causes.ts";
import { checkWritePermission } from "./write-permission.ts";

/** Between two connections when the broker closes the channel, in milliseconds. */
const RENEWAL = 2000;

/** The routing key of an event: topic permissions may depend on it. */
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

/** Publishes events on a connection of its own, so that a broker that takes none keeps no reply waiting. */
export class EventPublisher {
  readonly #options: EventPublisherOptions;
  readonly #publisher: Publisher;
  readonly #causes = new RepeatedCauses();

  constructor(options: EventPublisherOptions) {
    this.#options = options;
    this.#publisher = new Publisher({
      ...options,
      purpose: "events",
      outlastsRefusals: true,
      prepare: (model) => this.#prepare(model),
      // The exchange was deleted, say: a new connection declares it.
      renews: { what: "connection", after: RENEWAL },
      resend: false, // the event is published again later
    });
  }

  /** Why no event can be published now; undefined when one can. */
  get fault(): string | undefined {
    return this.#publisher.fault;
  }

  /** Connects, and again whenever the connection goes or is refused: that is no reason not to serve. */
  start(): void {
    this.#publisher.start().catch(() => undefined); // stopped before
  }

  stop(): Promise<void> {
    return this.#publisher.stop();
  }

  /** Whether the broker has confirmed the message within two seconds; false at once while it takes none. Never rejects. */
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

  /** Declares the exchange; where that is not allowed, or it is there with other properties, takes it as it is. */
  async #prepare(model: ChannelModel): Promise<void> {
    const { exchange, log } = this.#options;
    try {
      await askBroker(model, (channel) => channel.assertExchange(exchange, "topic", { durable: true }));
    } catch (error) {
      const reason = messageOf(error);
      if (this.#causes.note(reason).isNews)
        log.warn({ exchange, reason }, "cannot declare the events exchange");
      await askBroker(model, (channel) => channel.checkExchange(exchange));
    }
    await checkWritePermission(model, exchange, SOME_EVENT);
  }
}
