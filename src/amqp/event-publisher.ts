import type { ChannelModel, Options } from "amqplib";
import type { Config } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { askBroker } from "./ask-broker.ts";
import { SupervisedConfirmChannel } from "./confirm-channel.ts";
import { RepeatedCauses } from "./repeated-causes.ts";
import { checkWritePermission } from "./write-permission.ts";

/** So long the broker may take to confirm an event, in milliseconds; then it is published again later. */
const PATIENCE = 2000;

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
  readonly #channel: SupervisedConfirmChannel;
  readonly #givingUp = new Set<() => void>();
  readonly #causes = new RepeatedCauses();

  constructor(options: EventPublisherOptions) {
    this.#options = options;
    this.#channel = new SupervisedConfirmChannel({
      ...options,
      purpose: "events",
      outlastsRefusals: true,
      prepare: (model) => this.#prepare(model),
      // The exchange was deleted, say: a new connection declares it.
      renews: { what: "connection", after: PATIENCE },
      onReady: () => undefined,
      onGone: () => this.#giveUp(),
    });
  }

  /** Why no event can be published now; undefined when one can. */
  get fault(): string | undefined {
    return this.#channel.fault;
  }

  /** Connects, and again whenever the connection goes or is refused: that is no reason not to serve. */
  start(): void {
    this.#channel.start().catch(() => undefined); // stopped before
  }

  async stop(): Promise<void> {
    await this.#channel.stop();
    this.#giveUp();
  }

  /** Whether the broker has confirmed the message within two seconds. Never rejects. */
  async publish({ id, routingKey, contentType, content }: EventMessage): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const giveUp = (): void => resolve(false);
    this.#givingUp.add(giveUp);
    const timer = setTimeout(giveUp, PATIENCE);
    const properties: Options.Publish = {
      messageId: id,
      contentType,
      appId: "authmq",
      type: "event",
      persistent: true,
      timestamp: Math.floor(Date.now() / 1000),
    };
    try {
      const { exchange } = this.#options;
      return this.#channel.publish(exchange, routingKey, content, properties, resolve) && (await promise);
    } catch {
      return false; // the channel has just closed
    } finally {
      clearTimeout(timer);
      this.#givingUp.delete(giveUp);
    }
  }

  /** Declares the exchange; where that is not allowed, or it is there with other properties, takes it as it is. */
  async #prepare(model: ChannelModel): Promise<void> {
    const { exchange, log } = this.#options;
    try {
      await askBroker(model, (channel) => channel.assertExchange(exchange, "topic", { durable: true }));
    } catch (error) {
      const reason = messageOf(error);
      if (this.#causes.note(reason).isNews)
        log.warn({ exchange, reason }, "the exchange for events cannot be declared");
      await askBroker(model, (channel) => channel.checkExchange(exchange));
    }
    await checkWritePermission(model, exchange, SOME_EVENT);
  }

  #giveUp(): void {
    for (const giveUp of this.#givingUp) giveUp();
  }
}
