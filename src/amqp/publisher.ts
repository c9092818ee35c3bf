import { type ChannelModel, IllegalOperationError, type Options } from "amqplib";
import { type ConfirmOptions, SupervisedConfirmChannel } from "./confirm-channel.ts";

/** A message without a confirm after this many milliseconds is late. */
const CONFIRM_TIMEOUT = 2000;

interface PublisherOptions extends Omit<ConfirmOptions, "onReady" | "onChannelClosed"> {
  readonly exchange: string;
  /** Whether messages in flight are sent again after a reconnect. */
  readonly resend: boolean;
  /** The highest number of messages in flight; the others wait here. Unlimited by default. */
  readonly window?: number;
}

/** A message, with a callback for its outcome. */
export interface Outgoing {
  readonly routingKey: string;
  readonly content: Buffer;
  readonly properties: Options.Publish;
  /** Called when the broker has not confirmed the message after two seconds. Default: discard the message. */
  readonly late?: () => void;
  /** Called once, after the message is confirmed, rejected or discarded and removed from the publisher. */
  readonly finish: (isConfirmed: boolean) => void;
}

/** Publishes to one exchange on its own connection, in order and with publisher confirms. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #channel: SupervisedConfirmChannel;
  /** Sets, because they keep the order and delete any element in constant time. */
  #waiting = new Set<Outgoing>();
  #inFlight = new Set<Outgoing>();
  /** When each message becomes late, by `performance.now()`; late messages are removed. */
  readonly #deadlines = new Map<Outgoing, number>();
  /** One timer for all messages: a timer for each costs more than the message. */
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#channel = new SupervisedConfirmChannel({
      ...options,
      onReady: () => this.#flush(),
      onChannelClosed: () => this.#requeue(),
    });
  }

  /** Why sending is not possible now; undefined when it is. */
  get fault(): string | undefined {
    return this.#channel.fault;
  }

  /** The connection; undefined while it is down or blocked by the broker. */
  get model(): ChannelModel | undefined {
    return this.#channel.model;
  }

  /** How many messages are neither confirmed nor discarded. */
  get size(): number {
    return this.#waiting.size + this.#inFlight.size;
  }

  /** Resolves when messages can be sent; rejects like the start of its connection. */
  start(): Promise<void> {
    return this.#channel.start();
  }

  /** Closes the connection and discards unconfirmed messages. */
  async stop(): Promise<void> {
    await this.#channel.stop();
    clearTimeout(this.#timer);
    this.#timer = undefined; // a message posted after the stop gets a new timer and becomes late too
    for (const message of [...this.#inFlight, ...this.#waiting]) this.#finish(message, false);
  }

  /** Whether the broker confirmed the message within two seconds; true for returned messages too. Never rejects. */
  async send(routingKey: string, content: Buffer, properties: Options.Publish): Promise<boolean> {
    const { promise, resolve: finish } = Promise.withResolvers<boolean>();
    this.post({ routingKey, content, properties, finish });
    return promise;
  }

  /** Publishes a message as soon as sending is possible. */
  post(message: Outgoing): void {
    this.#waiting.add(message);
    this.#deadlines.set(message, performance.now() + CONFIRM_TIMEOUT);
    this.#timer ??= setTimeout(() => this.#reportLate(), CONFIRM_TIMEOUT);
    this.#flush();
  }

  /** Discards the oldest message that is not in flight; false if there is none. */
  discardOldest(): boolean {
    const [oldest] = this.#waiting;
    if (oldest !== undefined) this.#finish(oldest, false);
    return oldest !== undefined;
  }

  #flush(): void {
    const { window = Infinity } = this.#options;
    for (const message of this.#waiting) {
      if (!this.#channel.isReady || this.#inFlight.size >= window) return;
      this.#waiting.delete(message);
      this.#inFlight.add(message);
      this.#write(message);
    }
  }

  #write(message: Outgoing): void {
    const { routingKey, content, properties } = message;
    const { exchange, purpose, log } = this.#options;
    try {
      this.#channel.publish(exchange, routingKey, content, properties, (isConfirmed) => {
        this.#finish(message, isConfirmed);
        this.#flush(); // the window has room again
      });
    } catch (error) {
      if (error instanceof IllegalOperationError) return; // the channel is closing: #requeue handles the message
      // amqplib could not encode the message, for example because the address is too long after decoding.
      log.warn({ purpose, err: error }, "could not send a message");
      this.#finish(message, false);
    }
  }

  #finish(message: Outgoing, isConfirmed: boolean): void {
    if (!this.#inFlight.delete(message) && !this.#waiting.delete(message)) return;
    this.#deadlines.delete(message);
    message.finish(isConfirmed);
  }

  #requeue(): void {
    if (!this.#options.resend) for (const message of this.#inFlight) this.#finish(message, false);
    this.#waiting = new Set([...this.#inFlight, ...this.#waiting]);
    this.#inFlight = new Set();
  }

  #reportLate(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [message, deadline] of this.#deadlines) {
      if (deadline > now) {
        this.#timer = setTimeout(() => this.#reportLate(), deadline - now);
        return;
      }
      this.#deadlines.delete(message);
      if (message.late === undefined) this.#finish(message, false);
      else message.late();
    }
  }
}
