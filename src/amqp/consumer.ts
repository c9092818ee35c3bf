import { setTimeout as sleep } from "node:timers/promises";
import type { Channel, ChannelModel, ConsumeMessage } from "amqplib";
import type { QueueProfile } from "../config/sections/amqp.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import { emptyNotes, logRequest, type RequestEnd, type RequestNotes } from "../observability/request-line.ts";
import { type RequestSpan, tracedRequest } from "../observability/request-span.ts";
import { announceStage } from "../observability/stages.ts";
import { traced } from "../observability/tracing.ts";
import type { Envelope, Incoming } from "../rpc/envelope.ts";
import type { QueueName } from "../wire/queues.ts";
import type { ConsumerFaults } from "./consumer-faults.ts";
import { Delivery, type Subscription } from "./delivery.ts";
import type { ReplySender } from "./reply.ts";
import { declareQueue } from "./topology.ts";

const FIRST_DELAY = 500;
const MAX_DELAY = 3000;

/** A channel that closes within this many milliseconds counts as a failed attempt. */
const SETTLED = 5000;

/** Timeout of the check whether the broker answers on a channel, in milliseconds. */
const ALIVE_TIMEOUT = 2000;

const SENDING = {
  name: "send reply",
  kind: "producer",
  attributes: {
    "messaging.system": "rabbitmq",
    "messaging.operation.name": "send",
    "messaging.operation.type": "send",
  },
} as const;

/** Answers a request and adds to `notes`; undefined when the request was cancelled. Never rejects. */
export type Handle = (incoming: Incoming, notes: RequestNotes) => Promise<Envelope | undefined>;

interface ConsumerOptions {
  readonly queue: string;
  /** The queue's default name, used in metrics. */
  readonly workflow: QueueName;
  readonly profile: QueueProfile;
  /** The highest number of requests in flight. */
  readonly prefetch: number;
  /** Seconds after which the broker may close a silent connection. */
  readonly heartbeat: number;
  readonly handle: Handle;
  readonly replies: ReplySender;
  /** Logs why the queue is not consumed. */
  readonly faults: ConsumerFaults;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Consumes one queue on its own channel, so that an error of one queue does not stop the others. */
export class QueueConsumer {
  readonly #options: ConsumerOptions;
  readonly #stopping = new AbortController();
  readonly #running = new Map<Promise<void>, Subscription>();
  readonly #ready = Promise.withResolvers<void>();
  /** One object for all measurements, because every request makes several. */
  readonly #labels: { readonly queue: QueueName };
  #model: ChannelModel | undefined;
  #subscription: Subscription | undefined;
  #consumerTag: string | undefined;
  /** By `performance.now()`. */
  #consumedSince: number | undefined;
  #fault = "the queue is not consumed yet";

  constructor(options: ConsumerOptions) {
    const { workflow, metrics } = options;
    this.#options = options;
    this.#labels = { queue: workflow };
    metrics.gauge("requests_in_flight", this.#labels, () => this.#running.size);
    metrics.gauge("queue_consumed", this.#labels, () => Number(this.fault === undefined));
  }

  /** Why the queue is not consumed now; undefined when it is. */
  get fault(): string | undefined {
    return this.#subscription !== undefined && !this.#stopping.signal.aborted ? undefined : this.#fault;
  }

  /** Resolves when the queue is consumed for the first time. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Consumes the queue on this connection, and reopens its channel, until another connection replaces it. */
  async open(model: ChannelModel): Promise<void> {
    const { queue, faults } = this.#options;
    this.#model = model;
    for (let attempt = 0; this.#model === model && !this.#stopping.signal.aborted; attempt++) {
      try {
        await this.#consume(model);
        this.#ready.resolve();
        return;
      } catch (error) {
        // The connection has closed and logs its own reason.
        if (this.#model !== model) return;
        this.#fault = messageOf(error);
        faults.report({ queue, error, wasOpen: false }, { isNew: this.#takeSettled() });
      }
      const delay = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** attempt);
      await sleep(delay, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
  }

  /** Stops using a connection that has closed; `open` takes the next one. */
  disconnected(): void {
    this.#model = undefined;
  }

  /** Stops consuming; resolves when all running requests are answered. */
  async drain(): Promise<void> {
    this.#stopping.abort();
    const channel = this.#subscription?.channel;
    if (channel !== undefined && this.#consumerTag !== undefined) {
      // A closed channel delivers nothing either.
      await channel.cancel(this.#consumerTag).catch(() => undefined);
    }
    await Promise.all(this.#running.keys());
    // amqplib interleaves channels: only the close of this channel is certain to follow its acks.
    await channel?.close().catch(() => undefined);
  }

  async #consume(model: ChannelModel): Promise<void> {
    const { queue, profile, prefetch, heartbeat, faults, log } = this.#options;
    const channel = await model.createChannel();
    const subscription: Subscription = {
      channel,
      isOpen: true,
      onClosed: new Set(),
      trustedFor: heartbeat * 1000,
      isAlive: () =>
        Promise.race([isAnswered(channel, prefetch), sleep(ALIVE_TIMEOUT, false, { ref: false })]),
    };
    let closedBy = "the channel was closed";
    channel.on("error", (error: Error) => {
      // During setup the failed call reports the error.
      if (this.#subscription !== subscription) return;
      closedBy = `the broker closed the channel: ${messageOf(error)}`;
      faults.report({ queue, error, wasOpen: true }, { isNew: this.#hasSettled() });
    });
    channel.on("close", () => {
      subscription.isOpen = false;
      for (const callback of subscription.onClosed) callback();
      if (this.#subscription !== subscription) return;
      this.#subscription = undefined;
      this.#fault = closedBy;
      const isShort = !this.#takeSettled();
      // A closing connection closes its channels first: wait, so that disconnected() can run.
      setTimeout(() => this.#reopen(model), isShort ? FIRST_DELAY : 0).unref();
    });
    await declareQueue(channel, queue, profile);
    await channel.prefetch(prefetch);
    const { consumerTag } = await channel.consume(queue, (message) => {
      if (message === null) {
        this.#fault = "the broker cancelled the consumer";
        log.warn({ queue }, "the broker cancelled the consumer (was the queue deleted?)");
        this.#retire(subscription, model);
      } else {
        this.#take(subscription, message);
      }
    });
    this.#consumerTag = consumerTag;
    this.#subscription = subscription;
    this.#consumedSince = performance.now();
  }

  /** Whether the queue was consumed for a while, so that an error counts as new. */
  #hasSettled(): boolean {
    return this.#consumedSince !== undefined && performance.now() - this.#consumedSince > SETTLED;
  }

  /** Like #hasSettled, but resets it: errors of the following attempts have the same cause. */
  #takeSettled(): boolean {
    const hasSettled = this.#hasSettled();
    this.#consumedSince = undefined;
    return hasSettled;
  }

  #reopen(model: ChannelModel): void {
    if (this.#model === model) void this.open(model);
  }

  /**
   * Consumes on a new channel, and closes the old one when its requests are answered: the broker does not redeliver
   * the requests of a deleted queue.
   */
  #retire(subscription: Subscription, model: ChannelModel): void {
    if (this.#subscription === subscription) this.#subscription = undefined;
    this.#reopen(model);
    const last = [...this.#running].filter(([, from]) => from === subscription).map(([work]) => work);
    void Promise.all(last).then(() => subscription.channel.close().catch(() => undefined));
  }

  #take(subscription: Subscription, message: ConsumeMessage): void {
    const { replies, queue, log } = this.#options;
    const delivery = new Delivery(message, subscription, (replyTo) => replies.isReachable(replyTo));
    const work = this.#trace(delivery)
      .catch((error: unknown) => log.error({ queue, err: error }, "could not process a delivery"))
      .finally(() => this.#running.delete(work));
    this.#running.set(work, subscription);
  }

  #trace(delivery: Delivery): Promise<void> {
    const { queue } = this.#options;
    const { headers } = delivery;
    return tracedRequest({ queue, sender: delivery, headers }, (span) => this.#answer(delivery, span));
  }

  async #answer(delivery: Delivery, span: RequestSpan): Promise<void> {
    const { handle, replies, metrics, workflow, log } = this.#options;
    const { correlation, correlationId, replyTo, redelivered } = delivery;
    const since = performance.now();
    const notes = emptyNotes();
    let end: RequestEnd["end"];
    if (redelivered) metrics.count("requests_redelivered_total", this.#labels);
    const envelope = await handle(delivery, notes);
    if (envelope !== undefined && (await delivery.isHeld())) {
      end = envelope;
      announceStage("handled", workflow, correlationId);
      metrics.count("requests_total", { ...this.#labels, code: envelope.resp_code });
      if (replyTo !== undefined) await traced(SENDING, () => replies.send(replyTo, correlation, envelope));
      metrics.observe("request_duration_seconds", (performance.now() - since) / 1000, this.#labels);
      announceStage("replied", workflow, correlationId);
    } else if (delivery.hasExpired()) {
      end = "expired";
      metrics.count("requests_expired_total", this.#labels);
    } else {
      // The caller has gone, or another worker has the message and answers it.
      end = "abandoned";
      metrics.count("requests_abandoned_total", this.#labels);
    }
    delivery.ack();
    announceStage("acked", workflow, correlationId);
    const { traceId } = span;
    span.note({ end, notes });
    logRequest(log, {
      queue: workflow,
      end,
      ms: performance.now() - since,
      notes,
      sender: delivery,
      traceId,
    });
  }
}

/** Checks whether the broker answers, by setting the same prefetch again. */
async function isAnswered(channel: Channel, prefetch: number): Promise<boolean> {
  try {
    await channel.prefetch(prefetch);
    return true;
  } catch {
    return false;
  }
}
