import { type ChannelModel, IllegalOperationError, type Options } from "amqplib";
import { type ConfirmOptions, SupervisedConfirmChannel } from "./confirm-channel.ts";

/** A message that the broker has not confirmed after so many milliseconds is late. */
const CONFIRM_TIMEOUT = 2000;

interface PublisherOptions extends Omit<ConfirmOptions, "onReady" | "onGone"> {
  readonly exchange: string;
  /** Whether a message that was under way when the connection broke is sent again on the next one. */
  readonly resend: boolean;
  /** So many are under way at once; what is confirmed late waits here and not in the connection. All, unless given. */
  readonly window?: number;
}

/** A message, with a callback for its outcome. */
export interface Outgoing {
  readonly routingKey: string;
  readonly content: Buffer;
  readonly properties: Options.Publish;
  /** Called when the broker has not confirmed it after two seconds; without it, it is given up then. */
  readonly late?: () => void;
  /** Called once, when it is confirmed, refused or given up; it is forgotten by then. */
  readonly finish: (isConfirmed: boolean) => void;
}

/** Publishes to one exchange on a connection of its own, in order, and waits for the broker's confirms. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #channel: SupervisedConfirmChannel;
  /** Sets keep the order, and forget from anywhere in it at once. */
  #waiting = new Set<Outgoing>();
  #underway = new Set<Outgoing>();
  /** When each becomes late, by `performance.now()`; without those that are. */
  readonly #due = new Map<Outgoing, number>();
  /** One for all: a timer for each costs more than its message. */
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#channel = new SupervisedConfirmChannel({
      ...options,
      onReady: () => this.#flush(),
      onGone: () => this.#takeBack(),
    });
  }

  /** Why nothing can be sent now; undefined when it can. */
  get fault(): string | undefined {
    return this.#channel.fault;
  }

  /** The connection; undefined while there is none, or none that the broker reads. */
  get model(): ChannelModel | undefined {
    return this.#channel.model;
  }

  /** How many messages are neither confirmed nor given up. */
  get size(): number {
    return this.#waiting.size + this.#underway.size;
  }

  /** As the start of its connection: resolves when messages can be sent. */
  start(): Promise<void> {
    return this.#channel.start();
  }

  /** Closes the connection; what is under way is given up. */
  async stop(): Promise<void> {
    await this.#channel.stop();
    clearTimeout(this.#timer);
    this.#timer = undefined; // a message that comes after the stop is late as well
    for (const message of [...this.#underway, ...this.#waiting]) this.#finish(message, false);
  }

  /** Whether the broker has confirmed the message, which it also does with one that returns, in two seconds. Never rejects. */
  async send(routingKey: string, content: Buffer, properties: Options.Publish): Promise<boolean> {
    const { promise, resolve: finish } = Promise.withResolvers<boolean>();
    this.post({ routingKey, content, properties, finish });
    return promise;
  }

  /** Publishes a message as soon as the broker takes it. */
  post(message: Outgoing): void {
    this.#waiting.add(message);
    this.#due.set(message, performance.now() + CONFIRM_TIMEOUT);
    this.#timer ??= setTimeout(() => this.#reportLate(), CONFIRM_TIMEOUT);
    this.#flush();
  }

  /** Gives up the oldest message that is not under way; false where there is none. */
  giveUpOldest(): boolean {
    const [oldest] = this.#waiting;
    if (oldest !== undefined) this.#finish(oldest, false);
    return oldest !== undefined;
  }

  #flush(): void {
    const { window = Infinity } = this.#options;
    for (const message of this.#waiting) {
      if (!this.#channel.isReady || this.#underway.size >= window) return;
      this.#waiting.delete(message);
      this.#underway.add(message);
      this.#write(message);
    }
  }

  #write(message: Outgoing): void {
    const { routingKey, content, properties } = message;
    const { exchange, purpose, log } = this.#options;
    try {
      this.#channel.publish(exchange, routingKey, content, properties, (isConfirmed) => {
        this.#finish(message, isConfirmed);
        this.#flush(); // there is room in the window
      });
    } catch (error) {
      if (error instanceof IllegalOperationError) return; // the channel is closing, and what is under way is taken back
      // amqplib could not encode it, for example because the address is too long after decoding.
      log.warn({ purpose, err: error }, "could not send a message");
      this.#finish(message, false);
    }
  }

  #finish(message: Outgoing, isConfirmed: boolean): void {
    if (!this.#underway.delete(message) && !this.#waiting.delete(message)) return;
    this.#due.delete(message);
    message.finish(isConfirmed);
  }

  #takeBack(): void {
    if (!this.#options.resend) for (const message of this.#underway) this.#finish(message, false);
    this.#waiting = new Set([...this.#underway, ...this.#waiting]);
    this.#underway = new Set();
  }

  #reportLate(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [message, due] of this.#due) {
      if (due > now) {
        this.#timer = setTimeout(() => this.#reportLate(), due - now);
        return;
      }
      this.#due.delete(message);
      if (message.late === undefined) this.#finish(message, false);
      else message.late();
    }
  }
}
