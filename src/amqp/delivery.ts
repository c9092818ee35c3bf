import type { Channel, ConsumeMessage } from "amqplib";
import type { Incoming } from "../rpc/envelope.ts";

/** A request that has waited so long is worth asking whether its caller is still there, in milliseconds. */
const SUSPICIOUS_WAIT = 1000;

const KEY_HEADER = "x-idempotency-key";

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
  readonly idempotencyKey: unknown;
  readonly properties: readonly string[];
  readonly userId: string;
  readonly appId: string;
  readonly correlationId: string | undefined;
  readonly replyTo: string | undefined;
  readonly redelivered: boolean;
  readonly receivedAt = new Date();
  readonly #message: ConsumeMessage;
  readonly #subscription: Subscription;
  readonly #isReachable: (replyTo: string) => Promise<boolean>;
  readonly #arrived = performance.now();
  readonly #expires: number;

  constructor(
    message: ConsumeMessage,
    subscription: Subscription,
    isReachable: (replyTo: string) => Promise<boolean>,
  ) {
    // Untyped in amqplib.
    const given: Readonly<Record<string, unknown>> = { ...message.properties };
    const text = (name: string): string => {
      const value = given[name];
      return typeof value === "string" || typeof value === "number" ? String(value) : "";
    };
    this.#message = message;
    this.#subscription = subscription;
    this.#isReachable = isReachable;
    this.body = message.content;
    this.redelivered = message.fields.redelivered;
    this.idempotencyKey = headerOf(given) ?? (text("messageId") || undefined);
    this.userId = text("userId");
    this.appId = text("appId");
    this.correlationId = typeof given["correlationId"] === "string" ? given["correlationId"] : undefined;
    this.replyTo = text("replyTo") || undefined;
    // Not the headers: a quorum queue counts deliveries in one of them.
    this.properties = [
      "messageId",
      "replyTo",
      "correlationId",
      "timestamp",
      "appId",
      "type",
      "contentType",
    ].map(text);
    const lifetime = /^\d+$/.test(text("expiration")) ? Number(text("expiration")) : Infinity;
    this.#expires = performance.now() + lifetime;
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

  async stillWanted(waited: number): Promise<boolean> {
    if (this.hasExpired() || !(await this.isHeld())) return false;
    return waited < SUSPICIOUS_WAIT || this.replyTo === undefined || this.#isReachable(this.replyTo);
  }

  /** Tells the broker that this is done with; where the channel is gone, somebody else will have to do it again. */
  ack(): void {
    if (this.#subscription.isOpen) this.#subscription.channel.ack(this.#message);
  }
}

function headerOf({ headers }: Readonly<Record<string, unknown>>): unknown {
  if (typeof headers !== "object" || headers === null) return undefined;
  return new Map<string, unknown>(Object.entries(headers)).get(KEY_HEADER);
}
