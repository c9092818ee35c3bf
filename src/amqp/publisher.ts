import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelModel, ConfirmChannel, Options } from "amqplib";
import type { Config } from "../config/load.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics, Purpose } from "../observability/metrics.ts";
import { explain } from "./broker-reason.ts";
import { SupervisedConnection } from "./connection.ts";
import { checkWritePermission } from "./write-permission.ts";

/** So long a reply may wait for the broker, in milliseconds; then it is forgotten. */
const PATIENCE = 2000;

interface PublisherOptions {
  readonly amqp: Config["amqp"];
  readonly purpose: Purpose;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Whether a message that was under way when the connection broke is sent again on the next one. */
  readonly resend: boolean;
  /** Whether a refusal at the start is like a broker that is away. */
  readonly outlastsRefusals?: boolean;
}

/** What became of a message; a returned one is confirmed as well. */
export type Outcome = "confirmed" | "lost";

interface Outgoing {
  readonly routingKey: string;
  readonly content: Buffer;
  readonly properties: Options.Publish;
  readonly finish: (outcome: Outcome) => void;
  /** By `performance.now()`. */
  readonly since: number;
  written: boolean;
}

/** Publishes to the default exchange on a connection of its own, and waits for the broker's confirm. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #connection: SupervisedConnection;
  /** In the order of their beginning. */
  readonly #underway = new Set<Outgoing>();
  /** One for all that is under way: a timer for each costs more than its message. */
  #patience: NodeJS.Timeout | undefined;
  #model: ChannelModel | undefined;
  #channel: ConfirmChannel | undefined;
  #blocked = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#connection = new SupervisedConnection({
      amqp: options.amqp,
      purpose: options.purpose,
      outlastsRefusals: options.outlastsRefusals ?? false,
      metrics: options.metrics,
      log: options.log,
      onOpen: (model) => this.#open(model),
    });
  }

  /** Why nothing can be sent now; undefined when it can. */
  get fault(): string | undefined {
    if (this.#connection.fault !== undefined) return this.#connection.fault;
    return this.#blocked ? "the broker blocks publishers: it is short of memory or disk" : undefined;
  }

  /** As the start of its connection: resolves when messages can be sent. */
  start(): Promise<void> {
    return this.#connection.start();
  }

  /** Closes the connection; what is under way is forgotten. */
  async stop(): Promise<void> {
    await this.#connection.stop();
    clearTimeout(this.#patience);
    this.#patience = undefined; // a reply that comes after the stop is given up as well
    for (const message of this.#underway) message.finish("lost");
  }

  /** Resolves when the message is confirmed, returned, lost, or two seconds old. Never rejects. */
  async send(routingKey: string, content: Buffer, properties: Options.Publish): Promise<Outcome> {
    const { promise, resolve: finish } = Promise.withResolvers<Outcome>();
    const since = performance.now();
    const message: Outgoing = { routingKey, content, properties, finish, since, written: false };
    this.#underway.add(message);
    this.#patience ??= setTimeout(() => this.#giveUp(), PATIENCE);
    this.#write(message);
    const outcome = await promise;
    this.#underway.delete(message);
    if (outcome === "lost") this.#options.metrics.count("replies_lost_total");
    return outcome;
  }

  /** Whether a queue of this name is there; true as well when that cannot be told. */
  async hasQueue(name: string): Promise<boolean> {
    if (this.#model === undefined || this.#blocked) return true;
    // Whoever asks has something to do: a broker that does not answer is not waited for.
    return Promise.race([isThere(this.#model, name), sleep(PATIENCE, true, { ref: false })]);
  }

  async #open(model: ChannelModel): Promise<void> {
    const { amqp, metrics, log, resend } = this.#options;
    this.#blocked = false;
    model.on("blocked", (text: string) => {
      this.#blocked = true;
      const { reason, advice } = explain(text, undefined, amqp);
      log.warn({ reason, advice }, "the broker takes no replies now");
    });
    model.on("unblocked", () => {
      this.#blocked = false;
      this.#flush();
    });
    await checkWritePermission(model, "", "authmq");
    const channel = await model.createConfirmChannel();
    let reason: Error | undefined;
    channel.on("return", () => metrics.count("replies_unroutable_total"));
    channel.on("error", (error: Error) => (reason = error));
    channel.on("close", () => {
      this.#channel = undefined;
      for (const message of this.#underway) {
        if (message.written && !resend) message.finish("lost");
        message.written = false;
      }
      this.#connection.reset(model, reason); // it comes back with a new channel
    });
    this.#model = model;
    this.#channel = channel;
    this.#flush();
  }

  #giveUp(): void {
    this.#patience = undefined;
    const now = performance.now();
    for (const { since, finish } of this.#underway) {
      const left = since + PATIENCE - now;
      if (left > 0) {
        this.#patience = setTimeout(() => this.#giveUp(), left);
        return;
      }
      finish("lost");
    }
  }

  #flush(): void {
    for (const message of this.#underway) this.#write(message);
  }

  #write(message: Outgoing): void {
    const channel = this.#channel;
    if (channel === undefined || this.#blocked || message.written) return;
    message.written = true;
    try {
      channel.publish("", message.routingKey, message.content, message.properties, (error) => {
        if (error === null) message.finish("confirmed");
        // Rejected on a channel that still works: the broker will not have it. Otherwise it is sent again: amqplib says so
        // of a channel that closes before the close itself.
        else queueMicrotask(() => this.#channel === channel && message.finish("lost"));
      });
    } catch (error) {
      // amqplib could not encode it, for example because the address is too long after decoding.
      this.#options.log.warn({ err: error }, "a reply could not be sent");
      message.finish("lost");
    }
  }
}

async function isThere(model: ChannelModel, queue: string): Promise<boolean> {
  try {
    const channel = await model.createChannel();
    // The error event says what the rejected call says.
    channel.on("error", () => undefined);
    try {
      await channel.checkQueue(queue);
      return true;
    } finally {
      channel.close().catch(() => undefined); // the broker has closed it where there is no such queue
    }
  } catch (error) {
    // 405 RESOURCE_LOCKED, for example, is somebody else's exclusive queue: it is there.
    return !(error instanceof Error && "code" in error && error.code === 404);
  }
}
