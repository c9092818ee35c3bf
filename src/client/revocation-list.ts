import { randomUUID } from "node:crypto";
import type { Channel, ConsumeMessage } from "amqplib";
import type { BrokerNode } from "../wire/broker-node.ts";
import { deferred } from "../wire/deferred.ts";
import { parseJsonObject } from "../wire/json.ts";
import { keepConnected } from "../wire/keep-connected.ts";
import type { BrokerAddress } from "./address.ts";
import { checked, number, oneOf, text } from "./check.ts";
import type { AccessClaims } from "./claims.ts";
import { dial, hangUp } from "./dial.ts";
import { NoReplyError } from "./errors.ts";
import { Limit } from "./limit.ts";
import { addressKinds, addressOf, type NodesOptions, type UrlOptions } from "./options.ts";
import { RevokedTokens } from "./revoked-tokens.ts";
import type { Revocations } from "./verifier.ts";

/** Options of `createRevocationList`. */
export type RevocationListOptions = (UrlOptions | NodesOptions) & {
  /** PEM of the broker's CA; turns on TLS and the check of the broker's host name. */
  readonly ca?: string | Buffer | undefined;
  /** The stream that keeps the latest revocations, one for all replicas of this service; created if it is missing. */
  readonly queue: string;
  /** The exchange of the events: `event_settings.exchange` of the installation. Default: `auth.events`. */
  readonly exchange?: string | undefined;
  /** The longest lifetime of access tokens in seconds: `access_token_valid_time`. Default: 900. */
  readonly tokenLifetime?: number | undefined;
  /** Maximum number of revocations in memory; beyond it, older tokens are rejected as well. Default: 100000. */
  readonly maxEntries?: number | undefined;
  /** Milliseconds for the first connection. Default: 10000. */
  readonly timeout?: number | undefined;
};

/** Revocations of the installation, as they happen. */
export interface RevocationList extends Revocations, AsyncDisposable {
  /** Whether it is connected and has read the stream; otherwise it learns of revocations only later. */
  readonly isConnected: boolean;
  /** Closes the connection; may be called twice. */
  close(): Promise<void>;
}

const EVENTS = ["session.revoked", "api_key.revoked", "user.deleted", "user.changed"];

/** Time for a connection to a node, in milliseconds. */
const CONNECT_LIMIT = 10_000;

/** Tolerated difference of clocks, in seconds. */
const LEEWAY = 60;

const kinds = oneOf(
  addressKinds({ queue: text, exchange: text, tokenLifetime: number, maxEntries: number, timeout: number }, [
    "queue",
  ]),
);

/**
 * Reads the installation's events from a stream, so that a verifier rejects revoked access tokens at once. Resolves
 * when it has read the stream: it then knows every revocation since the stream was created. Rejects with a NoReplyError
 * if that takes longer than the timeout, and with a TypeError for an invalid option.
 */
export async function createRevocationList(given: RevocationListOptions): Promise<RevocationList> {
  const options = checked("createRevocationList", given, kinds);
  const list = new StreamedList(options);
  const { timeout = 10_000 } = options;
  try {
    using limit = new Limit(timeout, () => list.noAnswer(timeout));
    await limit.race(list.ready);
    return list;
  } catch (error) {
    await list.close();
    throw error;
  }
}

class StreamedList implements RevocationList {
  readonly #options: RevocationListOptions;
  readonly #address: BrokerAddress;
  readonly #tokens: RevokedTokens;
  readonly #lifetime: number;
  readonly #closed = new AbortController();
  readonly #isReady = deferred<void>();
  readonly #loop: Promise<void>;
  #hangUp: (() => Promise<void>) | undefined;
  #isUpToDate = false;
  #fault: unknown;

  constructor(options: RevocationListOptions) {
    const { tokenLifetime = 900, maxEntries = 100_000 } = options;
    this.#options = options;
    this.#address = addressOf({ connectionName: "authmq revocations", ...options });
    this.#lifetime = tokenLifetime + LEEWAY;
    this.#tokens = new RevokedTokens(this.#lifetime, maxEntries);
    this.#loop = keepConnected({
      nodes: this.#address.nodes,
      signal: this.#closed.signal,
      open: (node) => this.#open(node),
      isRefusal: () => false,
      onFailure: (_node, error) => (this.#fault = error),
      onLost: (_node, reason) => (this.#fault = reason),
    }).then(() => undefined);
  }

  /** Resolves when the stream has been read to its end for the first time. */
  get ready(): Promise<void> {
    return this.#isReady.promise;
  }

  get isConnected(): boolean {
    return this.#isUpToDate;
  }

  isRevoked(claims: AccessClaims): boolean {
    return this.#tokens.has(claims);
  }

  noAnswer(timeout: number): NoReplyError {
    return new NoReplyError(`could not read the revocations within ${timeout} ms`, { cause: this.#fault });
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#hangUp?.();
    await this.#loop;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Connects to a node within a time limit; closing the list ends it, too. */
  async #open(node: BrokerNode): Promise<{ readonly lost: Promise<unknown> }> {
    const socket = new AbortController();
    const late = (): Error => new Error(`the broker did not answer within ${CONNECT_LIMIT} ms`);
    using limit = new Limit(CONNECT_LIMIT, late, this.#closed.signal);
    try {
      return await limit.race(this.#connect(node, socket));
    } catch (error) {
      socket.abort();
      throw error;
    }
  }

  async #connect(node: BrokerNode, socket: AbortController): Promise<{ readonly lost: Promise<unknown> }> {
    const model = await dial(this.#address, node, socket.signal);
    const lost = deferred<unknown>();
    const lose = (reason: unknown): void => {
      this.#hangUp = undefined;
      this.#isUpToDate = false;
      lost.resolve(reason);
    };
    const close = async (): Promise<void> => {
      lose(new Error("the connection is closed"));
      await hangUp(model, socket);
    };
    model.on("error", lose);
    model.on("close", () => {
      lose(new Error("the connection to the broker was lost"));
      socket.abort();
    });
    try {
      const channel = await model.createChannel();
      const giveUp = (reason: unknown): void => {
        lose(reason);
        void close();
      };
      channel.on("error", giveUp);
      channel.on("close", () => giveUp(new Error("the broker closed the channel")));
      const onRead = (): void => {
        this.#isUpToDate = true;
        this.#isReady.resolve();
      };
      await this.#consume(channel, { giveUp, onRead });
    } catch (error) {
      await close();
      throw error;
    }
    this.#hangUp = close;
    if (this.#closed.signal.aborted) await close();
    return { lost: lost.promise };
  }

  async #consume(
    channel: Channel,
    { giveUp, onRead }: { readonly giveUp: (reason: unknown) => void; readonly onRead: () => void },
  ): Promise<void> {
    const { queue, exchange = "auth.events" } = this.#options;
    await channel.assertQueue(queue, {
      durable: true,
      arguments: {
        "x-queue-type": "stream",
        // Whole segments are deleted: small ones, so that the stream stays small.
        "x-max-age": `${this.#lifetime * 2}s`,
        "x-max-length-bytes": 100_000_000,
        "x-stream-max-segment-size-bytes": 1_000_000,
      },
    });
    for (const type of EVENTS) await channel.bindQueue(queue, exchange, type);
    await channel.prefetch(1000);
    const marker = randomUUID();
    const take = (message: ConsumeMessage | null): void => {
      if (message === null) return giveUp(new Error(`the stream ${queue} was deleted`));
      if (message.properties.messageId === marker) onRead();
      else this.#tokens.add(eventIn(message));
      channel.ack(message);
    };
    const since = Math.floor(Date.now() / 1000) - this.#lifetime;
    await channel.consume(queue, take, {
      arguments: { "x-stream-offset": { "!": "timestamp", value: since } },
    });
    // A stream has no visible end: it is read to here when this message arrives.
    channel.sendToQueue(queue, Buffer.alloc(0), { messageId: marker });
  }
}

/** The event in a message; undefined for the mark of another replica, and for what is no event. */
function eventIn({ content }: ConsumeMessage): Readonly<Record<string, unknown>> | undefined {
  try {
    return content.length === 0 ? undefined : parseJsonObject(content);
  } catch {
    return undefined;
  }
}
