import type { Channel, ConsumeMessage } from "amqplib";
import type { Incoming } from "../rpc/envelope.ts";
import { bodyOf, idInHeader, isCounter, replyQueueOf } from "./amqp-1-0.ts";
import type { Correlation } from "./reply.ts";

/** A request that has waited so long is worth asking whether its caller is still there, in milliseconds. */
const SUSPICIOUS_WAIT = 1000;

const KEY_HEADER = "x-idempotency-key";

/** Where RabbitMQ puts the ids of an AMQP 1.0 message that fit into no property. */
const MESSAGE_HEADER = "x-message-id";
const CORRELATION_HEADER = "x-correlation-id";

/** Not the headers: a quorum queue counts deliveries in one of them. */
const PROPERTIES = ["messageId", "replyTo", "correlationId", "timestamp", "appId", "type", "contentType"];

/** A channel that requests come in on. */
export interface Subscription {
  readonly channel: Channel;
  /** False once the channel is gone: what it had not acknowledged is delivered again, to whomever. */
  isOpen: boolean;
  /** Called when the channel goes. */
  readonly onClosed: Set<() => void>;
  /** Whether the broker answers on the channel; false as well when that takes too long. */
  isAlive(): Promise<boolean>;
  /** A delivery that is older, in milliseconds, may have gone to another worker without a word: this one was frozen. */
  readonly trustedFor: number;
}

/** One message as the broker delivered it; everything in it is its sender's to choose. */
export class Delivery implements Incoming {
  readonly body: Uint8Array;
  readonly correlationId: string | undefined;
  readonly replyTo: string | undefined;
  readonly redelivered: boolean;
  readonly receivedAt = new Date();
  readonly #message: ConsumeMessage;
  /** Untyped in amqplib. */
  readonly #given: Readonly<Record<string, unknown>>;
  readonly #subscription: Subscription;
  readonly #isReachable: (replyTo: string) => Promise<boolean>;
  readonly #arrived = performance.now();
  readonly #expires: number;

  constructor(
    message: ConsumeMessage,
    subscription: Subscription,
    isReachable: (replyTo: string) => Promise<boolean>,
  ) {
    const given = message.properties as unknown as Readonly<Record<string, unknown>>; // any types may arrive
    this.#message = message;
    this.#given = given;
    this.#subscription = subscription;
    this.#isReachable = isReachable;
    this.body = bodyOf(message.content, given["type"]);
    this.redelivered = message.fields.redelivered;
    this.correlationId = typeof given["correlationId"] === "string" ? given["correlationId"] : undefined;
    this.replyTo = replyQueueOf(this.#text("replyTo")) || undefined;
    const expiration = this.#text("expiration");
    this.#expires = /^\d+$/.test(expiration) ? this.#arrived + Number(expiration) : Infinity;
  }

  get idempotencyKey(): unknown {
    const messageId = this.#text("messageId");
    return headerOf(this.#given) ?? (messageId === "" || isCounter(messageId) ? undefined : messageId);
  }

  /** What the reply has in common with the request: its correlation id, else its message id. */
  get correlation(): Correlation {
    const { headers } = this;
    const id = this.correlationId ?? idInHeader(headers, CORRELATION_HEADER);
    return id ?? (this.#text("messageId") || idInHeader(headers, MESSAGE_HEADER));
  }

  get userId(): string {
    return this.#text("userId");
  }

  get appId(): string {
    return this.#text("appId");
  }

  /** Of any types, because anything may arrive. */
  get headers(): Readonly<Record<string, unknown>> {
    const { headers } = this.#given;
    return typeof headers === "object" && headers !== null ? { ...headers } : {};
  }

  get properties(): readonly string[] {
    const { headers } = this;
    const ids = [MESSAGE_HEADER, CORRELATION_HEADER].map((name) => idInHeader(headers, name));
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
    if (waited < SUSPICIOUS_WAIT || this.replyTo === undefined) return false;
    return !(await this.#isReachable(this.replyTo));
  }

  /** Tells the broker that this is done with; where the channel is gone, somebody else will have to do it again. */
  ack(): void {
    if (this.#subscription.isOpen) this.#subscription.channel.ack(this.#message);
  }

  #text(name: string): string {
    const value = this.#given[name];
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
  }
}

function headerOf({ headers }: Readonly<Record<string, unknown>>): unknown {
  if (typeof headers !== "object" || headers === null) return undefined;
  return new Map<string, unknown>(Object.entries(headers)).get(KEY_HEADER);
}
