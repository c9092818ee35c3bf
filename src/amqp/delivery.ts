import type { Channel, ConsumeMessage } from "amqplib";
import type { Incoming } from "../rpc/envelope.ts";

/** A request that has waited so long is worth asking whether its caller is still there, in milliseconds. */
const SUSPICIOUS_WAIT = 1000;

const KEY_HEADER = "x-idempotency-key";

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
    const given = message.properties as unknown as Readonly<Record<string, unknown>>;
    this.#message = message;
    this.#given = given;
    this.#subscription = subscription;
    this.#isReachable = isReachable;
    this.body = message.content;
    this.redelivered = message.fields.redelivered;
    this.correlationId = typeof given["correlationId"] === "string" ? given["correlationId"] : undefined;
    this.replyTo = this.#text("replyTo") || undefined;
    const expiration = this.#text("expiration");
    this.#expires = /^\d+$/.test(expiration) ? this.#arrived + Number(expiration) : Infinity;
  }

  get idempotencyKey(): unknown {
    return headerOf(this.#given) ?? (this.#text("messageId") || undefined);
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
    return PROPERTIES.map((name) => this.#text(name));
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

  #text(name: string): string {
    const value = this.#given[name];
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
  }
}

function headerOf({ headers }: Readonly<Record<string, unknown>>): unknown {
  if (typeof headers !== "object" || headers === null) return undefined;
  return new Map<string, unknown>(Object.entries(headers)).get(KEY_HEADER);
}
