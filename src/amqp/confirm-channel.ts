import type { ChannelModel, ConfirmChannel, Options } from "amqplib";
import { messageOf } from "../errors.ts";
import { type ConnectionOptions, SupervisedConnection } from "./connection.ts";

/** What a channel with confirms is made with. */
export interface ConfirmOptions extends ConnectionOptions {
  /** Checks or declares on a new connection what publishing needs; rejects when nothing could be published. */
  readonly prepare: (model: ChannelModel) => Promise<void>;
  /** What is opened again when the channel closes or does not open, and after how many milliseconds. */
  readonly renews: { readonly what: "connection" | "channel"; readonly after: number };
  /** Called whenever messages can be published again, and the first time. */
  readonly onReady: () => void;
  /** Called when the channel has closed: it confirms nothing more. */
  readonly onGone: () => void;
  /** Called when the broker blocks publishers, with its reason. */
  readonly onBlocked?: (reason: string) => void;
  /** Called when a mandatory message could not be routed; the broker confirms it as well. */
  readonly onReturned?: () => void;
}

/** A channel with confirms, on a connection of its own, that comes back by itself until it is stopped. */
export class SupervisedConfirmChannel {
  readonly #options: ConfirmOptions;
  readonly #connection: SupervisedConnection;
  #model: ChannelModel | undefined;
  #channel: ConfirmChannel | undefined;
  #isBlocked = false;
  /** Why there is no channel on the connection. */
  #fault: string | undefined;

  constructor(options: ConfirmOptions) {
    this.#options = options;
    this.#connection = new SupervisedConnection({
      ...options,
      onOpen: (model) => this.#attach(model),
      onClosed: () => (this.#model = undefined),
    });
  }

  /** Why nothing can be published now; undefined when it can. */
  get fault(): string | undefined {
    if (this.#connection.fault !== undefined) return this.#connection.fault;
    if (this.#isBlocked) return "the broker blocks publishers: it is short of memory or disk";
    return this.#channel === undefined ? (this.#fault ?? "its channel is closed") : undefined;
  }

  /** Whether messages are taken now. */
  get isReady(): boolean {
    return this.#channel !== undefined && !this.#isBlocked;
  }

  /** The connection; undefined while there is none, or none that the broker reads. */
  get model(): ChannelModel | undefined {
    return this.#isBlocked ? undefined : this.#model;
  }

  /** As the start of its connection. */
  start(): Promise<void> {
    return this.#connection.start();
  }

  /** As the stop of its connection: nothing is confirmed any more. */
  stop(): Promise<void> {
    return this.#connection.stop();
  }

  /**
   * Publishes a message; false when the broker accepts none now. `done` learns whether the broker has confirmed or
   * refused it, unless the channel goes before. Throws where amqplib cannot write it.
   */
  publish(
    exchange: string,
    routingKey: string,
    content: Buffer,
    properties: Options.Publish,
    done: (isConfirmed: boolean) => void,
  ): boolean {
    const channel = this.#channel;
    if (channel === undefined || this.#isBlocked) return false;
    channel.publish(exchange, routingKey, content, properties, (error) => {
      if (error === null) done(true);
      // On a channel that still works. amqplib says the same of all on one that closes, before the close itself.
      else queueMicrotask(() => this.#channel === channel && done(false));
    });
    return true;
  }

  async #attach(model: ChannelModel): Promise<void> {
    const { renews, onReady, onBlocked } = this.#options;
    this.#model = model;
    this.#isBlocked = false;
    model.on("blocked", (reason: string) => {
      this.#isBlocked = true;
      onBlocked?.(reason);
    });
    model.on("unblocked", () => {
      this.#isBlocked = false;
      onReady();
    });
    if (renews.what === "connection") return this.#open(model);
    this.#openApart(model);
  }

  async #open(model: ChannelModel): Promise<void> {
    const { prepare, onReady, onGone, onReturned } = this.#options;
    await prepare(model);
    const channel = await model.createConfirmChannel();
    let reason: Error | undefined;
    if (onReturned !== undefined) channel.on("return", onReturned);
    channel.on("error", (error: Error) => {
      reason = error;
      this.#fault = messageOf(error);
    });
    channel.on("close", () => {
      this.#channel = undefined;
      onGone();
      this.#renew(model, reason);
    });
    this.#fault = undefined;
    this.#channel = channel;
    onReady();
  }

  /** What closed the channel may do so again, so that this is not always at once. */
  #renew(model: ChannelModel, reason?: Error): void {
    const { what, after } = this.#options.renews;
    const renew = (): void =>
      what === "connection" ? this.#connection.reset(model, reason) : this.#openApart(model);
    setTimeout(renew, after).unref();
  }

  /** Opens a channel whose faults are none of the connection's. */
  #openApart(model: ChannelModel): void {
    if (this.#model !== model) return;
    this.#open(model).catch((error: unknown) => {
      this.#fault = messageOf(error);
      this.#renew(model);
    });
  }
}
