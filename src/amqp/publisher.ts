import { setTimeout as sleep } from "node:timers/promises";
import type { Options } from "amqplib";
import { askBroker } from "./ask-broker.ts";
import { explain } from "./broker-reason.ts";
import { SupervisedConfirmChannel } from "./confirm-channel.ts";
import type { ConnectionOptions } from "./connection.ts";
import { checkWritePermission } from "./write-permission.ts";

/** So long a reply may wait for the broker, in milliseconds; then it is forgotten. */
const PATIENCE = 2000;

interface PublisherOptions extends ConnectionOptions {
  /** Whether a message that was under way when the connection broke is sent again on the next one. */
  readonly resend: boolean;
}

interface Outgoing {
  readonly routingKey: string;
  readonly content: Buffer;
  readonly properties: Options.Publish;
  readonly finish: (isConfirmed: boolean) => void;
  /** By `performance.now()`. */
  readonly since: number;
  written: boolean;
}

/** Publishes to the default exchange on a connection of its own, and waits for the broker's confirm. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #channel: SupervisedConfirmChannel;
  /** In the order of their beginning. */
  readonly #underway = new Set<Outgoing>();
  /** One for all that is under way: a timer for each costs more than its message. */
  #patience: NodeJS.Timeout | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#channel = new SupervisedConfirmChannel({
      ...options,
      prepare: (model) => checkWritePermission(model, "", "authmq"),
      renews: { what: "connection", after: 0 },
      onReady: () => this.#flush(),
      onGone: () => this.#takeBack(),
      onBlocked: (text) => {
        const { reason, advice } = explain(text, undefined, options.amqp);
        options.log.warn({ reason, advice }, "the broker takes no replies now");
      },
      onReturned: () => options.metrics.count("replies_unroutable_total"),
    });
  }

  /** Why nothing can be sent now; undefined when it can. */
  get fault(): string | undefined {
    return this.#channel.fault;
  }

  /** As the start of its connection: resolves when messages can be sent. */
  start(): Promise<void> {
    return this.#channel.start();
  }

  /** Closes the connection; what is under way is forgotten. */
  async stop(): Promise<void> {
    await this.#channel.stop();
    clearTimeout(this.#patience);
    this.#patience = undefined; // a reply that comes after the stop is given up as well
    for (const message of this.#underway) message.finish(false);
  }

  /** Whether the broker has confirmed the message, which it also does with one that returns, in two seconds. Never rejects. */
  async send(routingKey: string, content: Buffer, properties: Options.Publish): Promise<boolean> {
    const { promise, resolve: finish } = Promise.withResolvers<boolean>();
    const since = performance.now();
    const message: Outgoing = { routingKey, content, properties, finish, since, written: false };
    this.#underway.add(message);
    this.#patience ??= setTimeout(() => this.#giveUp(), PATIENCE);
    this.#write(message);
    const isConfirmed = await promise;
    this.#underway.delete(message);
    if (!isConfirmed) this.#options.metrics.count("replies_lost_total");
    return isConfirmed;
  }

  /** Whether a queue of this name is there; true as well when that cannot be told. */
  async hasQueue(name: string): Promise<boolean> {
    const { model } = this.#channel;
    if (model === undefined) return true;
    const isThere = askBroker(model, (channel) => channel.checkQueue(name)).then(
      () => true,
      // 405 RESOURCE_LOCKED, for example, is somebody else's exclusive queue: it is there.
      (error: unknown) => !(error instanceof Error && "code" in error && error.code === 404),
    );
    // Whoever asks has something to do: a broker that does not answer is not waited for.
    return Promise.race([isThere, sleep(PATIENCE, true, { ref: false })]);
  }

  #takeBack(): void {
    for (const message of this.#underway) {
      if (message.written && !this.#options.resend) message.finish(false);
      message.written = false;
    }
  }

  #giveUp(): void {
    this.#patience = undefined;
    const now = performance.now();
    for (const { since, finish } of this.#underway) {
      const left = since + PATIENCE - now;
      if (left > 0) {
        this.#patience = setTimeout(() => this.#giveUp(), left);
        return;
      }
      finish(false);
    }
  }

  #flush(): void {
    for (const message of this.#underway) this.#write(message);
  }

  #write(message: Outgoing): void {
    if (message.written) return;
    const { routingKey, content, properties, finish } = message;
    try {
      message.written = this.#channel.publish("", routingKey, content, properties, finish);
    } catch (error) {
      // amqplib could not encode it, for example because the address is too long after decoding.
      this.#options.log.warn({ err: error }, "a reply could not be sent");
      finish(false);
    }
  }
}
