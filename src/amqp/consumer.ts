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

/** A channel that lives shorter was as good as none, in milliseconds. */
const SETTLED = 5000;

/** So long the broker may take to answer on a channel, in milliseconds. */
const ANSWER_LIMIT = 2000;

const SENDING = {
  name: "send reply",
  kind: "producer",
  attributes: {
    "messaging.system": "rabbitmq",
    "messaging.operation.name": "send",
    "messaging.operation.type": "send",
  },
} as const;

/** Answers a request and notes what it learns of it; undefined when nobody waits for the answer any more. Never rejects. */
export type Handle = (incoming: Incoming, notes: RequestNotes) => Promise<Envelope | undefined>;

interface ConsumerOptions {
  readonly queue: string;
  /** The queue's default name, by which it is measured. */
  readonly workflow: QueueName;
  readonly profile: QueueProfile;
  /** Requests in flight at most. */
  readonly prefetch: number;
  /** Seconds after which the broker may take a silent connection for dead. */
  readonly heartbeat: number;
  readonly handle: Handle;
  readonly replies: ReplySender;
  /** Where it reports why it does not consume. */
  readonly faults: ConsumerFaults;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Takes requests from one queue on a channel of its own, so that a fault of one queue leaves the others alone. */
export class QueueConsumer {
  readonly #options: ConsumerOptions;
  readonly #stopping = new AbortController();
  readonly #running = new Map<Promise<void>, Subscription>();
  readonly #ready = Promise.withResolvers<void>();
  /** One object for every measurement: they come with each request. */
  readonly #labels: { readonly queue: QueueName };
  #model: ChannelModel | undefined;
  #subscription: Subscription | undefined;
  #consumerTag: string | undefined;
  /** By `performance.now()`. */
  #consumedSince: number | undefined;
  #fault = "it is not consumed yet";

  constructor(options: ConsumerOptions) {
    const { workflow, metrics } = options;
    this.#options = options;
    this.#labels = { queue: workflow };
    metrics.gauge("requests_in_flight", this.#labels, () => this.#running.size);
    metrics.gauge("queue_consumed", this.#labels, () => Number(this.fault === undefined));
  }

  /** Why no request comes in now; undefined when the queue is consumed. */
  get fault(): string | undefined {
    return this.#subscription !== undefined && !this.#stopping.signal.aborted ? undefined : this.#fault;
  }

  /** Resolves when the queue is consumed for the first time. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Consumes the queue on this connection, again whenever its channel goes, until another connection is given. */
  async open(model: ChannelModel): Promise<void> {
    const { queue, faults } = this.#options;
    this.#model = model;
    for (let attempt = 0; this.#model === model && !this.#stopping.signal.aborted; attempt++) {
      try {
        await this.#consume(model);
        this.#ready.resolve();
        return;
      } catch (error) {
        // Where the connection is gone, it says why.
        if (this.#model !== model) return;
        this.#fault = messageOf(error);
        faults.report({ queue, error, wasOpen: false }, { isNew: this.#takeSettled() });
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
    const channel = this.#subscription?.channel;
    if (channel !== undefined && this.#consumerTag !== undefined) {
      // A channel that is gone delivers nothing either.
      await channel.cancel(this.#consumerTag).catch(() => undefined);
    }
    await Promise.all(this.#running.keys());
    // amqplib writes its channels in turn: only the channel's own close is sure to come after its acks.
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
      isAlive: () => Promise.race([answers(channel, prefetch), sleep(ANSWER_LIMIT, false, { ref: false })]),
    };
    let closedBy = "its channel was closed";
    channel.on("error", (error: Error) => {
      // Until it is in service, whoever sets it up hears of the fault.
      if (this.#subscription !== subscription) return;
      closedBy = `the broker closed its channel: ${messageOf(error)}`;
      faults.report({ queue, error, wasOpen: true }, { isNew: this.#hasSettled() });
    });
    channel.on("close", () => {
      subscription.isOpen = false;
      for (const tell of subscription.onClosed) tell();
      if (this.#subscription !== subscription) return;
      this.#subscription = undefined;
      this.#fault = closedBy;
      const isShort = !this.#takeSettled();
      // When it is the connection that closes, its channels close first.
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

  /** Whether it was in service for a while, so that a fault is a new one. */
  #hasSettled(): boolean {
    return this.#consumedSince !== undefined && performance.now() - this.#consumedSince > SETTLED;
  }

  /** The same, once: a fault that follows is the same one. */
  #takeSettled(): boolean {
    const hasSettled = this.#hasSettled();
    this.#consumedSince = undefined;
    return hasSettled;
  }

  #reopen(model: ChannelModel): void {
    if (this.#model === model) void this.open(model);
  }

  /** The requests of a queue that is gone are delivered to nobody else: they are answered, beside the new queue's. */
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
      // Its caller is gone, or another worker has the message and answers it.
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

/** A question that changes nothing: the prefetch that is set already. */
async function answers(channel: Channel, prefetch: number): Promise<boolean> {
  try {
    await channel.prefetch(prefetch);
    return true;
  } catch {
    return false;
  }
}
