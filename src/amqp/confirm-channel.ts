import type { ChannelModel, ConfirmChannel, Options } from "amqplib";
import { messageOf } from "../errors.ts";
import { type ConnectionOptions, SupervisedConnection } from "./connection.ts";

/** Options of a confirm channel. */
export interface ConfirmOptions extends ConnectionOptions {
  /** Checks or declares what publishing needs on a new connection; rejects when publishing would fail. */
  readonly prepare: (model: ChannelModel) => Promise<void>;
  /** What to reopen when the channel closes or does not open, and after how many milliseconds. */
  readonly reopens: { readonly what: "connection" | "channel"; readonly after: number };
  /** Called each time publishing becomes possible. */
  readonly onReady: () => void;
  /** Called when the channel has closed: outstanding messages get no confirm. */
  readonly onChannelClosed: () => void;
  /** Called when the broker blocks publishers, with its reason. */
  readonly onBlocked?: (reason: string) => void;
  /** Called when a mandatory message was not routable; the broker confirms it too. */
  readonly onReturned?: () => void;
}

/** A confirm channel on its own connection that reconnects until it is stopped. */
export class SupervisedConfirmChannel {
  readonly #options: ConfirmOptions;
  readonly #connection: SupervisedConnection;
  #model: ChannelModel | undefined;
  #channel: ConfirmChannel | undefined;
  #isBlocked = false;
  /** Why the connection has no channel. */
  #fault: string | undefined;

  constructor(options: ConfirmOptions) {
    this.#options = options;
    this.#connection = new SupervisedConnection({
      ...options,
      onOpen: (model) => this.#attach(model),
      onClosed: () => (this.#model = undefined),
    });
  }

  /** Why publishing is not possible now; undefined when it is. */
  get fault(): string | undefined {
    if (this.#connection.fault !== undefined) return this.#connection.fault;
    if (this.#isBlocked) return "the broker blocks publishing: it is short of memory or disk space";
    return this.#channel === undefined ? (this.#fault ?? "the channel is closed") : undefined;
  }

  /** Whether publishing is possible now. */
  get isReady(): boolean {
    return this.#channel !== undefined && !this.#isBlocked;
  }

  /** The connection; undefined while it is down or blocked by the broker. */
  get model(): ChannelModel | undefined {
    return this.#isBlocked ? undefined : this.#model;
  }

  /** Resolves and rejects like the start of its connection. */
  start(): Promise<void> {
    return this.#connection.start();
  }

  /** Closes the connection; later confirms are ignored. */
  stop(): Promise<void> {
    return this.#connection.stop();
  }

  /**
   * Publishes a message; returns false when publishing is not possible now. Calls `done` when the broker confirms or
   * rejects the message, unless the channel closes first. Throws when amqplib cannot encode the message.
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
      // Ignore errors of a closing channel: amqplib reports one for each message just before "close".
      else queueMicrotask(() => this.#channel === channel && done(false));
    });
    return true;
  }

  async #attach(model: ChannelModel): Promise<void> {
    const { reopens, onReady, onBlocked } = this.#options;
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
    if (reopens.what === "connection") return this.#open(model);
    this.#openOrRetry(model);
  }

  async #open(model: ChannelModel): Promise<void> {
    const { prepare, onReady, onChannelClosed, onReturned } = this.#options;
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
      onChannelClosed();
      this.#reopen(model, reason);
    });
    this.#fault = undefined;
    this.#channel = channel;
    onReady();
  }

  /** Waits before it reopens: the same cause may close the channel again. */
  #reopen(model: ChannelModel, reason?: Error): void {
    const { what, after } = this.#options.reopens;
    const reopen = (): void =>
      what === "connection" ? this.#connection.reset(model, reason) : this.#openOrRetry(model);
    setTimeout(reopen, after).unref();
  }

  /** Opens a channel, and retries on an error without closing the connection. */
  #openOrRetry(model: ChannelModel): void {
    if (this.#model !== model) return;
    this.#open(model).catch((error: unknown) => {
      this.#fault = messageOf(error);
      this.#reopen(model);
    });
  }
}
