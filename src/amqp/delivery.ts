import type { Channel, ConsumeMessage } from "amqplib";
import type { Incoming } from "../rpc/envelope.ts";
import { bodyOf, headerIdOf, isCounter, replyQueueOf } from "./amqp-1-0.ts";
import type { Correlation } from "./reply.ts";

/** After this wait, check whether the caller's reply queue still exists, in milliseconds. */
const CHECK_CALLER_AFTER = 1000;

const KEY_HEADER = "x-idempotency-key";

/** RabbitMQ puts IDs of an AMQP 1.0 message into these headers when they fit no property. */
const MESSAGE_HEADER = "x-message-id";
const CORRELATION_HEADER = "x-correlation-id";

/** Headers are left out: a quorum queue counts deliveries in one of them. */
const PROPERTIES = ["messageId", "replyTo", "correlationId", "timestamp", "appId", "type", "contentType"];

/** A consumer's channel and its state. */
export interface Subscription {
  readonly channel: Channel;
  /** False once the channel has closed: the broker then redelivers unacknowledged messages to any worker. */
  isOpen: boolean;
  /** Called when the channel closes. */
  readonly onClosed: Set<() => void>;
  /** Whether the broker answers on the channel; false after a timeout too. */
  isAlive(): Promise<boolean>;
  /** Milliseconds after which a delivery may belong to another worker unnoticed, because this process was frozen. */
  readonly trustedFor: number;
}

/** One message as the broker delivered it; its sender chooses all its contents. */
export class Delivery implements Incoming {
  readonly body: Uint8Array;
  readonly correlationId: string | undefined;
  readonly replyTo: string | undefined;
  readonly redelivered: boolean;
  readonly receivedAt = new Date();
  readonly #message: ConsumeMessage;
  /** The message properties, of any types. */
  readonly #properties: Readonly<Record<string, unknown>>;
  readonly #subscription: Subscription;
  readonly #isReachable: (replyTo: string) => Promise<boolean>;
  readonly #arrived = performance.now();
  readonly #expires: number;

  constructor(
    message: ConsumeMessage,
    subscription: Subscription,
    isReachable: (replyTo: string) => Promise<boolean>,
  ) {
    const properties = message.properties as unknown as Readonly<Record<string, unknown>>; // amqplib checks no types
    this.#message = message;
    this.#properties = properties;
    this.#subscription = subscription;
    this.#isReachable = isReachable;
    this.body = bodyOf(message.content, properties["type"]);
    this.redelivered = message.fields.redelivered;
    this.correlationId =
      typeof properties["correlationId"] === "string" ? properties["correlationId"] : undefined;
    this.replyTo = replyQueueOf(this.#text("replyTo")) || undefined;
    const expiration = this.#text("expiration");
    this.#expires = /^\d+$/.test(expiration) ? this.#arrived + Number(expiration) : Infinity;
  }

  get idempotencyKey(): unknown {
    const messageId = this.#text("messageId");
    return headerOf(this.#properties) ?? (messageId === "" || isCounter(messageId) ? undefined : messageId);
  }

  /** The request's correlation ID, else its message ID. */
  get correlation(): Correlation {
    const { headers } = this;
    const id = this.correlationId ?? headerIdOf(headers, CORRELATION_HEADER);
    return id ?? (this.#text("messageId") || headerIdOf(headers, MESSAGE_HEADER));
  }

  get userId(): string {
    return this.#text("userId");
  }

  get appId(): string {
    return this.#text("appId");
  }

  /** The headers, with values of any types. */
  get headers(): Readonly<Record<string, unknown>> {
    const { headers } = this.#properties;
    return typeof headers === "object" && headers !== null ? { ...headers } : {};
  }

  get properties(): readonly string[] {
    const { headers } = this;
    const ids = [MESSAGE_HEADER, CORRELATION_HEADER].map((name) => headerIdOf(headers, name));
    const inHeaders = ids.flatMap((id) => (id === undefined ? [] : [String(id.header)]));
    return [...PROPERTIES.map((name) => this.#text(name)), ...inHeaders];
  }

  hasExpired(): boolean {
    return performance.now() > this.#expires;
  }

  async isHeld(): Promise<boolean> {
    if (!this.#subscription.isOpen) return false;
    return performance.now() - this.#arrived < this.#subscription.trustedFor || this.#subscription.isAlive();
  }

  onLost(callback: () => void): () => void {
    const { onClosed } = this.#subscription;
    onClosed.add(callback);
    return () => onClosed.delete(callback);
  }

  async isCancelled(waited: number): Promise<boolean> {
    if (this.hasExpired() || !(await this.isHeld())) return true;
    if (waited < CHECK_CALLER_AFTER || this.replyTo === undefined) return false;
    return !(await this.#isReachable(this.replyTo));
  }

  /** Acknowledges the message, unless the channel has closed: the broker then redelivers it. */
  ack(): void {
    if (this.#subscription.isOpen) this.#subscription.channel.ack(this.#message);
  }

  #text(name: string): string {
    const value = this.#properties[name];
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
  }
}

function headerOf({ headers }: Readonly<Record<string, unknown>>): unknown {
  if (typeof headers !== "object" || headers === null) return undefined;
  return new Map<string, unknown>(Object.entries(headers)).get(KEY_HEADER);
}
