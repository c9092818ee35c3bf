import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelModel } from "amqplib";
import type { Config } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import type { MessageAt } from "../observability/log-messages.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics, ConnectionPurpose } from "../observability/metrics.ts";
import { type BrokerNode, formatNode } from "../wire/broker-node.ts";
import { keepConnected } from "../wire/keep-connected.ts";
import { readReason } from "./broker-reason.ts";
import { connectBroker } from "./connect.ts";
import { RepeatedCauses } from "./repeated-causes.ts";

const CONNECT_TIMEOUT = 5000;
const CLOSE_TIMEOUT = 2000;

/** What a connection that comes back is made with. */
export interface ConnectionOptions {
  readonly amqp: Config["amqp"];
  /** What this connection is for, in the broker's management pages and in the log. */
  readonly purpose: ConnectionPurpose;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Whether a refusal is like a broker that is away, also at the start: nobody ends for it who could be started again. */
  readonly outlastsRefusals?: boolean;
}

interface SupervisedOptions extends ConnectionOptions {
  /** Sets up every new connection; when it fails, the connection is closed and opened again. */
  readonly onOpen: (model: ChannelModel) => Promise<void>;
  /** Told when a connection that was open is gone. */
  readonly onClosed?: () => void;
}

/** One connection to the broker that comes back by itself, with growing delays, until it is stopped. */
export class SupervisedConnection {
  readonly #options: SupervisedOptions;
  readonly #stopped = new AbortController();
  #model: ChannelModel | undefined;
  #loop: Promise<void> | undefined;
  #fault: string | undefined = "it is not connected yet";
  readonly #causes = new RepeatedCauses();
  /** Why a part of this process closes the connection. */
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
   * Resolves when the connection is first set up; waits for a broker that is away, rejects when it refuses (unless that is
   * outlasted), or at the stop.
   */
  async start(): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#loop = this.#run(first);
    await first.promise;
  }

  /** Closes the connection and ends the attempts; complete on return, however the broker behaves. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    if (this.#model !== undefined) await close(this.#model);
    await this.#loop;
  }

  /** Closes the connection if this is the present one, and it comes back; `reason` is why, as far as it is known. */
  reset(model: ChannelModel, reason: Error | undefined): void {
    if (this.#model !== model) return;
    this.#resetReason = reason;
    model.close().catch(() => undefined);
  }

  async #run(first: PromiseWithResolvers<void>): Promise<void> {
    const { amqp, purpose, metrics, log, outlastsRefusals = false } = this.#options;
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
      isRefusal: (error) => !outlastsRefusals && readReason(error, amqp)?.isPassing === false,
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
        this.#fault = `it was lost: ${messageOf(reason)}`;
        if (hasSettled) this.#causes.clear();
        isLossLogged = this.#logFailure(node, reason, "lost the connection to the broker") || isLossLogged;
      },
    });
    // Without effect where it was connected before.
    first.reject(
      refused === undefined
        ? new Error("stopped before the broker was there")
        : refusal(amqp, refused.node, refused.error),
    );
  }

  /** Logs a failure with the broker's reason, or the error; says whether it did. A cause that goes on is logged rarely. */
  #logFailure(node: BrokerNode, error: unknown, message: MessageAt<"warn">): boolean {
    if (this.#stopped.signal.aborted) return false;
    const { log, purpose, amqp } = this.#options;
    const where = { purpose, node: formatNode(node) };
    const known = readReason(error, amqp);
    const { isNews, repeated } = this.#causes.note(`${where.node} ${known?.reason ?? messageOf(error)}`);
    if (!isNews) return false;
    const why =
      known === undefined ? { err: error } : { code: known.code, reason: known.reason, advice: known.advice };
    log.warn({ ...where, repeated, ...why }, message);
    return true;
  }

  /** Connects and sets up; `lost` resolves when the connection is gone, with the reason as far as it is known. */
  async #open(node: BrokerNode): Promise<{ lost: Promise<Error> }> {
    const { amqp, purpose } = this.#options;
    const connecting = connectBroker(amqp, node, { purpose, timeout: CONNECT_TIMEOUT });
    // A broker that hangs keeps a connect waiting; stop() does not wait for it.
    const model = await this.#unlessStopped(connecting).catch((error: unknown) => {
      connecting.then(close, () => undefined);
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
    // Without a listener an error that the connection meets would end the process; "close" follows it.
    model.on("error", () => undefined);
    const interrupted = lost.then(() => {
      throw new Error("the connection closed while it was set up");
    });
    try {
      await this.#unlessStopped(Promise.race([this.#options.onOpen(model), interrupted]));
    } catch (error) {
      await close(model);
      throw error;
    }
    return { lost };
  }

  async #unlessStopped<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#stopped;
    signal.throwIfAborted();
    const { promise, reject } = Promise.withResolvers<never>();
    const stop = (): void => reject(new Error("stopped"));
    signal.addEventListener("abort", stop);
    try {
      return await Promise.race([work, promise]);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }
}

/** Closes a connection; a hung broker never answers the close, so its socket is cut after two seconds. */
async function close(model: ChannelModel): Promise<void> {
  const answered = await Promise.race([
    model.close().then(
      () => true,
      () => true,
    ),
    sleep(CLOSE_TIMEOUT, false, { ref: false }),
  ]);
  const connection: object = model.connection;
  if (!answered && "stream" in connection && connection.stream instanceof Duplex)
    connection.stream.destroy(new Error("the broker did not answer the close"));
}

function refusal({ username, vhost }: Config["amqp"], node: BrokerNode, cause: unknown): Error {
  return new Error(
    `the broker at ${formatNode(node)} refuses the user "${username}" on the vhost "${vhost}": ` +
      `check amqp_settings (username, password, vhost) and the user's permissions`,
    { cause },
  );
}
