import { setTimeout as sleep } from "node:timers/promises";
import type { Channel, ChannelModel, ConsumeMessage } from "amqplib";
import type { Counters } from "../observability/counters.ts";
import type { Log } from "../observability/log.ts";
import type { Envelope } from "../rpc/envelope.ts";
import type { ReplySender } from "./reply.ts";

const FIRST_DELAY = 500;
const MAX_DELAY = 30_000;

/** A request that has waited so long is worth asking whether its caller is still there, in milliseconds. */
const SUSPICIOUS_WAIT = 1000;

/** Answers a request's body; undefined when nobody waits for the answer any more. Never rejects. */
export type Handle = (
  body: Uint8Array,
  stillWanted: (waited: number) => Promise<boolean>,
) => Promise<Envelope | undefined>;

interface ConsumerOptions {
  readonly queue: string;
  /** Requests in flight at most. */
  readonly prefetch: number;
  readonly handle: Handle;
  readonly replies: ReplySender;
  readonly counters: Counters;
  readonly log: Log;
}

/** Takes requests from one queue on a channel of its own, so that a fault of one queue leaves the others alone. */
export class QueueConsumer {
  readonly #options: ConsumerOptions;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #ready = Promise.withResolvers<void>();
  #model: ChannelModel | undefined;
  #channel: Channel | undefined;
  #consumerTag: string | undefined;

  constructor(options: ConsumerOptions) {
    this.#options = options;
  }

  /** Resolves when the queue is consumed for the first time. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Consumes the queue on this connection, again whenever its channel goes, until another connection is given. */
  async open(model: ChannelModel): Promise<void> {
    const { queue, log } = this.#options;
    this.#model = model;
    for (let attempt = 0; this.#model === model && !this.#stopping.signal.aborted; attempt++) {
      try {
        await this.#consume(model);
        this.#ready.resolve();
        return;
      } catch (error) {
        log.error({ queue, err: error }, "cannot consume the queue, trying again");
      }
      const delay = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** attempt);
      await sleep(delay, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
  }

  /** The connection is gone: waits for the next one. */
  disconnected(): void {
    this.#model = undefined;
  }

  /** Takes no more requests and resolves when those that run are answered. */
  async drain(): Promise<void> {
    this.#stopping.abort();
    if (this.#channel !== undefined && this.#consumerTag !== undefined) {
      // A channel that is gone delivers nothing either.
      await this.#channel.cancel(this.#consumerTag).catch(() => undefined);
    }
    await Promise.all(this.#running);
    // amqplib writes its channels in turn: only the channel's own close is sure to come after its acks.
    await this.#channel?.close().catch(() => undefined);
  }

  async #consume(model: ChannelModel): Promise<void> {
    const { queue, prefetch, log } = this.#options;
    const channel = await model.createChannel();
    channel.on("error", (error) => log.warn({ queue, err: error }, "the broker closed the channel"));
    channel.on("close", () => {
      if (this.#channel !== channel) return;
      this.#channel = undefined;
      // When it is the connection that closes, its channels close first.
      setImmediate(() => {
        if (this.#model === model) void this.open(model);
      });
    });
    await channel.assertQueue(queue, { durable: true });
    await channel.prefetch(prefetch);
    const { consumerTag } = await channel.consume(queue, (message) => {
      if (message === null) {
        log.warn({ queue }, "the broker cancelled the consumer (was the queue deleted?)");
        channel.close().catch(() => undefined); // "close" brings it back
      } else {
        this.#take(channel, message);
      }
    });
    this.#consumerTag = consumerTag;
    this.#channel = channel;
  }

  #take(channel: Channel, message: ConsumeMessage): void {
    const work = this.#answer(channel, message)
      .catch((error: unknown) =>
        this.#options.log.error({ queue: this.#options.queue, err: error }, "a delivery was lost"),
      )
      .finally(() => this.#running.delete(work));
    this.#running.add(work);
  }

  async #answer(channel: Channel, message: ConsumeMessage): Promise<void> {
    const { handle, replies, counters } = this.#options;
    if (message.fields.redelivered) counters.count("redelivered");
    const { correlationId, replyTo } = addressOf(message);
    const envelope = await handle(message.content, this.#interestIn(message, replyTo));
    if (envelope === undefined) counters.count("abandoned");
    else {
      counters.count("answered");
      if (replyTo !== undefined) await replies.send(replyTo, correlationId, envelope);
    }
    // The broker delivers again what a closed channel had not acknowledged.
    if (this.#channel === channel) channel.ack(message);
  }

  /** Whether a request that waits here is still worth its work: not expired, and its caller not gone. */
  #interestIn(message: ConsumeMessage, replyTo: string | undefined): (waited: number) => Promise<boolean> {
    const lifetime = /^\d+$/.test(String(message.properties.expiration))
      ? Number(message.properties.expiration)
      : Infinity;
    const expires = performance.now() + lifetime;
    return async (waited) => {
      if (performance.now() > expires) return false;
      return (
        waited < SUSPICIOUS_WAIT ||
        replyTo === undefined ||
        (await this.#options.replies.isReachable(replyTo))
      );
    };
  }
}

/** Where a reply goes; properties are untyped in amqplib. */
function addressOf(message: ConsumeMessage): {
  replyTo: string | undefined;
  correlationId: string | undefined;
} {
  const properties: object = message.properties;
  const replyTo: unknown = "replyTo" in properties ? properties.replyTo : undefined;
  const correlationId: unknown = "correlationId" in properties ? properties.correlationId : undefined;
  return {
    replyTo: typeof replyTo === "string" && replyTo !== "" ? replyTo : undefined,
    correlationId: typeof correlationId === "string" ? correlationId : undefined,
  };
}
