import type { ChannelModel } from "amqplib";
import type { Config } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import type { MessageAt } from "../observability/log-messages.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics, ConnectionPurpose } from "../observability/metrics.ts";
import { type BrokerNode, formatNode } from "../wire/broker-node.ts";
import { keepConnected } from "../wire/keep-connected.ts";
import { readReason } from "./broker-reason.ts";
import { closeBroker, connectBroker } from "./connect.ts";
import { RepeatedCauses } from "./repeated-causes.ts";

const CONNECT_TIMEOUT = 5000;

/** Options of a reconnecting connection. */
export interface ConnectionOptions {
  readonly amqp: Config["amqp"];
  /** What the connection is for, as shown in the management UI and in the log. */
  readonly purpose: ConnectionPurpose;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Whether to retry when the broker refuses the connection, even at the start. Otherwise the start rejects. */
  readonly retriesRefusals?: boolean;
}

interface SupervisedOptions extends ConnectionOptions {
  /** Sets up every new connection; when it fails, the connection is closed and opened again. */
  readonly onOpen: (model: ChannelModel) => Promise<void>;
  /** Called when an open connection has closed. */
  readonly onClosed?: () => void;
}

/** One broker connection that reconnects with growing delays until it is stopped. */
export class SupervisedConnection {
  readonly #options: SupervisedOptions;
  readonly #stopped = new AbortController();
  #model: ChannelModel | undefined;
  #loop: Promise<void> | undefined;
  #fault: string | undefined = "not connected yet";
  readonly #causes = new RepeatedCauses();
  /** Why this process closed the connection itself. */
  #resetReason: Error | undefined;

  constructor(options: SupervisedOptions) {
    this.#options = options;
    options.metrics.gauge("broker_connected", { purpose: options.purpose }, () =>
      Number(this.#fault === undefined),
    );
  }

  /** Why there is no connection now; undefined when there is one. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /**
   * Resolves when the connection is first set up. Retries while the broker is unreachable; rejects at the stop, or when
   * the broker refuses the connection (unless `retriesRefusals`).
   */
  async start(): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#loop = this.#run(first);
    await first.promise;
  }

  /** Closes the connection and stops reconnecting; complete on return, even if the broker hangs. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    if (this.#model !== undefined) await closeBroker(this.#model);
    await this.#loop;
  }

  /** Reconnects if `model` is the current connection; `reason` is logged when it is known. */
  reset(model: ChannelModel, reason: Error | undefined): void {
    if (this.#model !== model) return;
    this.#resetReason = reason;
    model.close().catch(() => undefined);
  }

  async #run(first: PromiseWithResolvers<void>): Promise<void> {
    const { amqp, purpose, metrics, log, retriesRefusals = false } = this.#options;
    let ready = false;
    let isLossLogged = false;
    const refused = await keepConnected({
      nodes: amqp.nodes,
      signal: this.#stopped.signal,
      open: async (node) => {
        const opened = await this.#open(node);
        if (ready && isLossLogged)
          log.info({ purpose, node: formatNode(node) }, "connected to the broker again");
        ready = true;
        isLossLogged = false;
        this.#fault = undefined;
        metrics.count("broker_connects_total", { purpose });
        first.resolve();
        return opened;
      },
      isRefusal: (error) => !retriesRefusals && readReason(error, amqp)?.isTransient === false,
      onFailure: (node, error) => {
        const reason = readReason(error, amqp)?.reason;
        this.#fault = `${formatNode(node)}: ${reason ?? messageOf(error)}`;
        const message =
          reason === undefined
            ? "cannot reach the broker, trying again"
            : "the broker refuses the connection, trying again";
        isLossLogged = this.#logFailure(node, error, message) || isLossLogged;
      },
      onLost: (node, reason, hasSettled) => {
        this.#fault = `the connection was lost: ${messageOf(reason)}`;
        if (hasSettled) this.#causes.clear();
        isLossLogged = this.#logFailure(node, reason, "lost the connection to the broker") || isLossLogged;
      },
    });
    // No effect if the connection was up before.
    first.reject(
      refused === undefined
        ? new Error("stopped before the broker could be reached")
        : refusal(amqp, refused.node, refused.error),
    );
  }

  /** Logs a failure with the broker's reason or the error; false when the same cause was logged recently. */
  #logFailure(node: BrokerNode, error: unknown, message: MessageAt<"warn">): boolean {
    if (this.#stopped.signal.aborted) return false;
    const { log, purpose, amqp } = this.#options;
    const where = { purpose, node: formatNode(node) };
    const known = readReason(error, amqp);
    const { shouldLog, repeated } = this.#causes.note(`${where.node} ${known?.reason ?? messageOf(error)}`);
    if (!shouldLog) return false;
    const why =
      known === undefined ? { err: error } : { code: known.code, reason: known.reason, advice: known.advice };
    log.warn({ ...where, repeated, ...why }, message);
    return true;
  }

  /** Connects and sets up; `lost` resolves with the reason when the connection has closed. */
  async #open(node: BrokerNode): Promise<{ lost: Promise<Error> }> {
    const { amqp, purpose } = this.#options;
    const connecting = connectBroker(amqp, node, { purpose, timeout: CONNECT_TIMEOUT });
    // A hung broker may delay the connect; stop() does not wait for it.
    const model = await this.#unlessStopped(connecting).catch((error: unknown) => {
      connecting.then(closeBroker, () => undefined);
      throw error;
    });
    this.#model = model;
    this.#resetReason = undefined;
    const lost = new Promise<Error>((resolve) =>
      model.once("close", (reason?: Error) => {
        this.#options.onClosed?.();
        resolve(reason ?? this.#resetReason ?? new Error("the connection was closed"));
      }),
    );
    // An "error" event without a listener would end the process; "close" follows and is handled.
    model.on("error", () => undefined);
    const interrupted = lost.then(() => {
      throw new Error("the connection closed while it was set up");
    });
    try {
      await this.#unlessStopped(Promise.race([this.#options.onOpen(model), interrupted]));
    } catch (error) {
      await closeBroker(model);
      throw error;
    }
    return { lost };
  }

  async #unlessStopped<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#stopped;
    signal.throwIfAborted();
    const { promise, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(new Error("stopped"));
    signal.addEventListener("abort", onAbort);
    try {
      return await Promise.race([work, promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}

function refusal({ username, vhost }: Config["amqp"], node: BrokerNode, cause: unknown): Error {
  return new Error(
    `the broker at ${formatNode(node)} refuses the user "${username}" on the vhost "${vhost}": ` +
      `check amqp_settings (username, password, vhost) and the user's permissions`,
    { cause },
  );
}
