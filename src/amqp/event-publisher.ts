import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelModel, ConfirmChannel, Options } from "amqplib";
import type { Config } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { SupervisedConnection } from "./connection.ts";
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
  readonly #connection: SupervisedConnection;
  readonly #givingUp = new Set<() => void>();
  #channel: ConfirmChannel | undefined;
  #isBlocked = false;
  /** Why the channel was closed. */
  #fault: string | undefined;
  readonly #causes = new RepeatedCauses();

  constructor(options: EventPublisherOptions) {
    this.#options = options;
    this.#connection = new SupervisedConnection({
      ...options,
      purpose: "events",
      outlastsRefusals: true,
      onOpen: (model) => this.#open(model),
    });
  }

  /** Why no event can be published now; undefined when one can. */
  get fault(): string | undefined {
    if (this.#channel === undefined) return this.#connection.fault ?? this.#fault ?? "its channel is closed";
    return this.#isBlocked ? "the broker blocks publishers: it is short of memory or disk" : undefined;
  }

  /** Connects, and again whenever the connection goes or is refused: that is no reason not to serve. */
  start(): void {
    this.#connection.start().catch(() => undefined); // stopped before
  }

  async stop(): Promise<void> {
    await this.#connection.stop();
    this.#giveUp();
  }

  /** Whether the broker has confirmed the message within two seconds. Never rejects. */
  async publish({ id, routingKey, contentType, content }: EventMessage): Promise<boolean> {
    const channel = this.#channel;
    if (channel === undefined || this.#isBlocked) return false;
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
      channel.publish(this.#options.exchange, routingKey, content, properties, (error) =>
        resolve(error === null),
      );
      return await promise;
    } catch {
      return false; // the channel has just closed
    } finally {
      clearTimeout(timer);
      this.#givingUp.delete(giveUp);
    }
  }

  async #open(model: ChannelModel): Promise<void> {
    this.#isBlocked = false;
    model.on("blocked", () => (this.#isBlocked = true));
    model.on("unblocked", () => (this.#isBlocked = false));
    const channel = await this.#openOnExchange(model);
    await checkWritePermission(model, this.#options.exchange, SOME_EVENT);
    let reason: Error | undefined;
    channel.on("error", (error: Error) => {
      reason = error;
      this.#fault = messageOf(error);
    });
    channel.on("close", () => {
      this.#channel = undefined;
      this.#giveUp();
      // The exchange was deleted, say. The connection comes back with a new channel, after a while.
      void sleep(PATIENCE, undefined, { ref: false }).then(() => this.#connection.reset(model, reason));
    });
    this.#fault = undefined;
    this.#channel = channel;
  }

  /** Declares the exchange; where that is not allowed, or it is there with other properties, takes it as it is. */
  async #openOnExchange(model: ChannelModel): Promise<ConfirmChannel> {
    const { exchange, log } = this.#options;
    const declaring = await model.createConfirmChannel();
    declaring.on("error", () => undefined);
    try {
      await declaring.assertExchange(exchange, "topic", { durable: true });
      return declaring;
    } catch (error) {
      const reason = messageOf(error);
      if (this.#causes.note(reason).isNews)
        log.warn({ exchange, reason }, "the exchange for events cannot be declared");
      const channel = await model.createConfirmChannel();
      channel.on("error", () => undefined);
      await channel.checkExchange(exchange);
      return channel;
    }
  }

  #giveUp(): void {
    for (const giveUp of this.#givingUp) giveUp();
  }
}
