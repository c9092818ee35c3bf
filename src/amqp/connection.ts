import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelModel } from "amqplib";
import type { Config } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import type { Metrics, Purpose } from "../observability/metrics.ts";
import { type BrokerNode, formatNode } from "../wire/broker-node.ts";
import { readReason } from "./broker-reason.ts";
import { connectBroker } from "./connect.ts";
import { RepeatedCauses } from "./repeated-causes.ts";

const CONNECT_TIMEOUT = 5000;
const CLOSE_TIMEOUT = 2000;
const FIRST_DELAY = 200;
const MAX_DELAY = 2000;

/** A connection that lives shorter was as good as none, in milliseconds: it does not end the growth of the delays. */
const SETTLED = 5000;

interface ConnectionOptions {
  readonly amqp: Config["amqp"];
  /** What this connection is for, in the broker's management pages and in the log. */
  readonly purpose: Purpose;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Sets up every new connection; when it fails, the connection is given up and made anew. */
  readonly onOpen: (model: ChannelModel) => Promise<void>;
  /** Whether a refusal is like a broker that is away, also at the start: nobody ends for it who could be started again. */
  readonly outlastsRefusals?: boolean;
  /** Told when a connection that was open is gone. */
  readonly onClosed?: () => void;
}

/** One connection to the broker that comes back by itself, with growing delays, until it is stopped. */
export class SupervisedConnection {
  readonly #options: ConnectionOptions;
  readonly #stopped = new AbortController();
  #model: ChannelModel | undefined;
  #loop: Promise<void> | undefined;
  #fault: string | undefined = "it is not connected yet";
  readonly #causes = new RepeatedCauses();
  /** Why a part of this process closes the connection. */
  #resetReason: Error | undefined;

  constructor(options: ConnectionOptions) {
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
    await new Promise<void>((resolve, reject) => {
      this.#loop = this.#run(resolve, reject);
    });
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

  #isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  async #run(onReady: () => void, onRefused: (error: Error) => void): Promise<void> {
    const { log, purpose, outlastsRefusals = false } = this.#options;
    const { nodes } = this.#options.amqp;
    let ready = false;
    let failures = 0;
    let isLossLogged = false;
    for (let turn = 0; !this.#isStopped(); turn++) {
      const node = nodes[turn % nodes.length] ?? nodes[0];
      const where = { purpose, node: formatNode(node) };
      failures++;
      try {
        const { closed } = await this.#open(node);
        const since = performance.now();
        if (ready && isLossLogged) log.info(where, "connected to the broker again");
        ready = true;
        isLossLogged = false;
        this.#fault = undefined;
        this.#options.metrics.count("broker_connects_total", { purpose });
        onReady();
        const reason = (await closed) ?? this.#resetReason ?? new Error("the connection was closed");
        this.#fault = `it was lost: ${messageOf(reason)}`;
        if (performance.now() - since > SETTLED) {
          failures = 0;
          this.#causes.clear();
        }
        isLossLogged = this.#logFailure(node, reason, "lost the broker") || isLossLogged;
      } catch (error) {
        const refused = readReason(error, this.#options.amqp);
        this.#fault = `${where.node}: ${refused?.reason ?? messageOf(error)}`;
        if (!ready && !outlastsRefusals && refused?.isPassing === false)
          return onRefused(refusal(this.#options.amqp, node, error));
        const text = refused === undefined ? "cannot reach the broker" : "the broker refuses the connection";
        isLossLogged = this.#logFailure(node, error, `${text}, trying again`) || isLossLogged;
      }
      // The next node may be well: there is no pause before every one has had its turn.
      if (failures % nodes.length > 0) continue;
      const rounds = Math.max(0, failures / nodes.length - 1);
      const delay = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** rounds) * (0.5 + Math.random() / 2);
      await sleep(delay, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
    }
    if (!ready) onRefused(new Error("stopped before the broker was there"));
  }

  /** Logs a failure with the broker's reason, or the error; says whether it did. A cause that goes on is logged rarely. */
  #logFailure(node: BrokerNode, error: unknown, text: string): boolean {
    if (this.#isStopped()) return false;
    const { log, purpose, amqp } = this.#options;
    const where = { purpose, node: formatNode(node) };
    const known = readReason(error, amqp);
    const { isNews, repeated } = this.#causes.note(`${where.node} ${known?.reason ?? messageOf(error)}`);
    if (!isNews) return false;
    const why =
      known === undefined ? { err: error } : { code: known.code, reason: known.reason, advice: known.advice };
    log.warn({ ...where, repeated, ...why }, text);
    return true;
  }

  /** Connects and sets up; `closed` resolves when the connection is gone, with the reason where there is one. */
  async #open(node: BrokerNode): Promise<{ closed: Promise<Error | undefined> }> {
    const { amqp, purpose } = this.#options;
    const connecting = connectBroker(amqp, node, { purpose, timeout: CONNECT_TIMEOUT });
    // A broker that hangs keeps a connect waiting; stop() does not wait for it.
    const model = await this.#unlessStopped(connecting).catch((error: unknown) => {
      connecting.then(close, () => undefined);
      throw error;
    });
    this.#model = model;
    this.#resetReason = undefined;
    const closed = new Promise<Error | undefined>((resolve) =>
      model.once("close", (reason?: Error) => {
        this.#options.onClosed?.();
        resolve(reason);
      }),
    );
    // Without a listener an error that the connection meets would end the process; "close" follows it.
    model.on("error", () => undefined);
    const lost = closed.then(() => Promise.reject(new Error("the connection closed while it was set up")));
    try {
      await this.#unlessStopped(Promise.race([this.#options.onOpen(model), lost]));
    } catch (error) {
      await close(model);
      throw error;
    }
    return { closed };
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
