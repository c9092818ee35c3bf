import { setTimeout as sleep } from "node:timers/promises";
import { type ChannelModel, type ConfirmChannel, connect, type ConsumeMessage, type Message } from "amqplib";

const CONNECT_TIMEOUT = 2000;
const RECONNECT_DELAY = 50;

/** Where callers reach the broker; with several nodes they take the next one at each attempt. */
export interface BrokerAccess {
  readonly ports: readonly number[];
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
}

/** What became of a message that was handed to a link. */
export type Published = "confirmed" | "no such queue" | "refused" | "connection lost";

/** A message to a queue. */
export interface Outgoing {
  readonly queue: string;
  readonly body: Buffer;
  readonly correlationId: string;
  readonly messageId: string | undefined;
  readonly persistent: boolean;
  /** Milliseconds after which the broker drops it. */
  readonly expiration: number | undefined;
}

interface LinkOptions {
  readonly name: string;
  readonly access: BrokerAccess;
  /** The queue for replies, which outlives the connection; without it direct reply-to is used. */
  readonly replyQueue: string | undefined;
  readonly onReply: (correlationId: string, text: string) => void;
}

interface Underway {
  readonly finish: (published: Published) => void;
  readonly lose: () => void;
}

/** A connection of callers that comes back by itself, with publisher confirms. */
export class CallerLink {
  readonly name: string;
  readonly #options: LinkOptions;
  readonly #closing = new AbortController();
  readonly #underway = new Map<string, Underway>();
  #channel: ConfirmChannel | undefined;
  #model: ChannelModel | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Whether messages can be sent now. */
  get isOpen(): boolean {
    return this.#channel !== undefined;
  }

  /** Begins to connect. */
  open(): void {
    this.#loop ??= this.#run();
  }

  /** Ends the connection in an orderly way, or like a process that dies; complete on return. */
  async close({ abruptly = false } = {}): Promise<void> {
    this.#closing.abort();
    if (abruptly) dropSocket(this.#model);
    else await this.#model?.close().catch(() => undefined);
    await this.#loop;
  }

  /**
   * Publishes a message. `published` tells what the broker said, `lost` resolves when the connection goes before
   * `forget` was called with the correlation id.
   */
  publish(message: Outgoing): { published: Promise<Published>; lost: Promise<void> } {
    const published = Promise.withResolvers<Published>();
    const lost = Promise.withResolvers<void>();
    const { queue, body, correlationId, messageId, persistent, expiration } = message;
    const lose = (): void => {
      published.resolve("connection lost");
      lost.resolve();
    };
    this.#underway.set(correlationId, { finish: published.resolve, lose });
    try {
      if (this.#channel === undefined) throw new Error("not connected");
      this.#channel.publish(
        "",
        queue,
        body,
        {
          correlationId,
          replyTo: this.#options.replyQueue ?? "amq.rabbitmq.reply-to",
          contentType: "application/json",
          deliveryMode: persistent ? 2 : 1,
          mandatory: true,
          ...(messageId === undefined ? {} : { messageId }),
          ...(expiration === undefined ? {} : { expiration }),
        },
        // amqplib's callbacks get a null that its types do not know.
        (error: unknown) => {
          const isConfirmed = error === null || error === undefined;
          published.resolve(isConfirmed ? "confirmed" : "refused");
          // A channel of RabbitMQ 3.10 that once met a quorum queue without a leader refuses all that follows.
          if (!isConfirmed) dropSocket(this.#model);
        },
      );
    } catch {
      lose();
    }
    return { published: published.promise, lost: lost.promise };
  }

  /** Nobody waits for this message any more. */
  forget(correlationId: string): void {
    this.#underway.delete(correlationId);
  }

  async #run(): Promise<void> {
    const { ports } = this.#options.access;
    for (let attempt = 0; !this.#closing.signal.aborted; attempt++) {
      await this.#session(ports[attempt % ports.length] ?? 0).catch(() => undefined);
      this.#channel = undefined;
      for (const { lose } of this.#underway.values()) lose();
      this.#underway.clear();
      await sleep(RECONNECT_DELAY, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    }
  }

  /** One connection from its beginning to its end. */
  async #session(port: number): Promise<void> {
    const { username, password, vhost } = this.#options.access;
    const model = await connect(
      {
        hostname: "127.0.0.1",
        port,
        username,
        password,
        vhost: encodeURIComponent(vhost),
        heartbeat: 10,
      },
      {
        noDelay: true,
        timeout: CONNECT_TIMEOUT,
        clientProperties: { connection_name: `caller ${this.name}` },
      },
    );
    const closed = new Promise<void>((resolve) => model.once("close", () => resolve()));
    model.on("error", () => undefined); // "close" follows
    this.#model = model;
    if (this.#closing.signal.aborted) dropSocket(model);
    const setUp = this.#openChannel(model).then(
      (channel) => {
        if (!this.#closing.signal.aborted) this.#channel = channel;
      },
      () => dropSocket(model),
    );
    await Promise.race([setUp, closed]);
    await closed;
  }

  async #openChannel(model: ChannelModel): Promise<ConfirmChannel> {
    const { replyQueue } = this.#options;
    const channel = await model.createConfirmChannel();
    channel.on("error", () => undefined);
    channel.on("close", () => dropSocket(model));
    channel.on("return", (message: Message) => {
      this.#underway.get(String(message.properties.correlationId))?.finish("no such queue");
    });
    // It outlives the connection, so that a caller who comes back finds what was answered meanwhile.
    if (replyQueue !== undefined) {
      await channel.assertQueue(replyQueue, { durable: true, arguments: { "x-queue-type": "classic" } });
    }
    await channel.consume(replyQueue ?? "amq.rabbitmq.reply-to", (message) => this.#take(message), {
      noAck: true,
    });
    return channel;
  }

  #take(message: ConsumeMessage | null): void {
    if (message === null) dropSocket(this.#model);
    else this.#options.onReply(String(message.properties.correlationId), message.content.toString());
  }
}

/** Cuts the connection without a word, as a network or a dying process does. */
function dropSocket(model: ChannelModel | undefined): void {
  const connection = model?.connection as unknown as { stream?: { destroy(error: Error): void } } | undefined;
  // amqplib takes no notice of a socket that is destroyed without an error.
  connection?.stream?.destroy(new Error("cut"));
}
