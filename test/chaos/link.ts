import { setTimeout as sleep } from "node:timers/promises";
import { type ChannelModel, type ConfirmChannel, connect, type ConsumeMessage, type Message } from "amqplib";

const CONNECT_TIMEOUT = 2000;
const RECONNECT_DELAY = 50;

/** Broker ports for callers; each connection attempt uses the next one. */
export interface BrokerAccess {
  readonly ports: readonly number[];
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
}

/** The result of publishing a message. */
export type Published = "confirmed" | "no such queue" | "refused" | "connection lost";

/** A message to a queue. */
export interface Outgoing {
  readonly queue: string;
  readonly body: Buffer;
  readonly correlationId: string;
  readonly messageId: string | undefined;
  readonly persistent: boolean;
  /** TTL in milliseconds. */
  readonly expiration: number | undefined;
}

interface LinkOptions {
  readonly name: string;
  readonly access: BrokerAccess;
  /** The reply queue, which survives the connection; undefined for direct reply-to. */
  readonly replyQueue: string | undefined;
  readonly onReply: (correlationId: string, text: string) => void;
}

interface Pending {
  readonly finish: (published: Published) => void;
  readonly lose: () => void;
}

/** A reconnecting connection of callers, with publisher confirms. */
export class CallerLink {
  readonly name: string;
  readonly #options: LinkOptions;
  readonly #closing = new AbortController();
  readonly #pending = new Map<string, Pending>();
  #channel: ConfirmChannel | undefined;
  #model: ChannelModel | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Whether it is connected. */
  get isOpen(): boolean {
    return this.#channel !== undefined;
  }

  /** Starts to connect. */
  open(): void {
    this.#loop ??= this.#run();
  }

  /** Closes the connection gracefully, or abruptly like a killed process; resolves when done. */
  async close({ abruptly = false } = {}): Promise<void> {
    this.#closing.abort();
    if (abruptly) dropSocket(this.#model);
    else await this.#model?.close().catch(() => undefined);
    await this.#loop;
  }

  /**
   * Publishes a message. `published` resolves with the broker's response, `lost` resolves if the connection is lost
   * before `forget` is called with the correlation id.
   */
  publish(message: Outgoing): { published: Promise<Published>; lost: Promise<void> } {
    const published = Promise.withResolvers<Published>();
    const lost = Promise.withResolvers<void>();
    const { queue, body, correlationId, messageId, persistent, expiration } = message;
    const lose = (): void => {
      published.resolve("connection lost");
      lost.resolve();
    };
    this.#pending.set(correlationId, { finish: published.resolve, lose });
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
        // amqplib calls back with null, which its types do not allow for.
        (error: unknown) => {
          const isConfirmed = error === null || error === undefined;
          published.resolve(isConfirmed ? "confirmed" : "refused");
          // In RabbitMQ 3.10, a channel that met a quorum queue without a leader refuses all later messages.
          if (!isConfirmed) dropSocket(this.#model);
        },
      );
    } catch {
      lose();
    }
    return { published: published.promise, lost: lost.promise };
  }

  /** Stops tracking a message whose caller no longer waits. */
  forget(correlationId: string): void {
    this.#pending.delete(correlationId);
  }

  async #run(): Promise<void> {
    const { ports } = this.#options.access;
    for (let attempt = 0; !this.#closing.signal.aborted; attempt++) {
      await this.#session(ports[attempt % ports.length] ?? 0).catch(() => undefined);
      this.#channel = undefined;
      for (const { lose } of this.#pending.values()) lose();
      this.#pending.clear();
      await sleep(RECONNECT_DELAY, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    }
  }

  /** One connection until it closes. */
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
      this.#pending.get(String(message.properties.correlationId))?.finish("no such queue");
    });
    // It survives the connection, so that a reconnected caller receives replies sent in between.
    if (replyQueue !== undefined) {
      await channel.assertQueue(replyQueue, { durable: true, arguments: { "x-queue-type": "classic" } });
    }
    await channel.consume(replyQueue ?? "amq.rabbitmq.reply-to", (message) => this.#onMessage(message), {
      noAck: true,
    });
    return channel;
  }

  #onMessage(message: ConsumeMessage | null): void {
    if (message === null) dropSocket(this.#model);
    else this.#options.onReply(String(message.properties.correlationId), message.content.toString());
  }
}

/** Drops the connection without a close handshake, like a broken network or a killed process. */
function dropSocket(model: ChannelModel | undefined): void {
  const connection = model?.connection as unknown as { stream?: { destroy(error: Error): void } } | undefined;
  // amqplib ignores a socket that is destroyed without an error.
  connection?.stream?.destroy(new Error("cut"));
}
