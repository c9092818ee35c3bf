import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelModel } from "amqplib";
import type { Config } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import { connectBroker } from "./connect.ts";

const CONNECT_TIMEOUT = 10_000;
const CLOSE_TIMEOUT = 2000;
const FIRST_DELAY = 200;
const MAX_DELAY = 15_000;

/** What amqplib says when the broker refuses the user, or the vhost (there without the reason). */
const REFUSALS = /ACCESS[-_]REFUSED|NOT[-_]ALLOWED|Expected ConnectionOpenOk; got <ConnectionClose/;

interface ConnectionOptions {
  readonly amqp: Config["amqp"];
  /** What this connection is for, in the broker's management pages and in the log. */
  readonly purpose: string;
  readonly log: Log;
  /** Sets up every new connection; when it fails, the connection is given up and made anew. */
  readonly onOpen: (model: ChannelModel) => Promise<void>;
  /** Told when a connection that was open is gone. */
  readonly onClosed?: () => void;
}

/** One connection to the broker that comes back by itself, with growing delays, until it is stopped. */
export class SupervisedConnection {
  readonly #options: ConnectionOptions;
  readonly #stopped = new AbortController();
  #model: ChannelModel | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Resolves when the connection is first set up; waits for a broker that is away, rejects when it refuses. */
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

  #isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  async #run(onReady: () => void, onRefused: (error: Error) => void): Promise<void> {
    const { log, purpose } = this.#options;
    let ready = false;
    for (let attempt = 0; !this.#isStopped(); attempt++) {
      try {
        const { closed } = await this.#open();
        if (ready) log.info({ purpose }, "connected to the broker again");
        ready = true;
        onReady();
        attempt = 0;
        await closed;
        if (!this.#isStopped()) log.warn({ purpose }, "lost the broker");
      } catch (error) {
        if (!ready && REFUSALS.test(messageOf(error))) {
          return onRefused(refusal(this.#options.amqp, error));
        }
        if (!this.#isStopped()) log.warn({ purpose, err: error }, "cannot reach the broker, trying again");
      }
      const delay = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** attempt) * (0.5 + Math.random() / 2);
      await sleep(delay, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
    }
    if (!ready) onRefused(new Error("stopped before the broker was there"));
  }

  /** Connects and sets up; `closed` resolves when the connection is gone. */
  async #open(): Promise<{ closed: Promise<void> }> {
    const { amqp, purpose } = this.#options;
    const connecting = connectBroker(amqp, { purpose, timeout: CONNECT_TIMEOUT });
    // A broker that hangs keeps a connect waiting; stop() does not wait for it.
    const model = await this.#unlessStopped(connecting).catch((error: unknown) => {
      connecting.then(close, () => undefined);
      throw error;
    });
    this.#model = model;
    const closed = new Promise<void>((resolve) =>
      model.once("close", () => {
        this.#options.onClosed?.();
        resolve();
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
  if (!answered && "stream" in connection && connection.stream instanceof Duplex) connection.stream.destroy();
}

function refusal({ host, port, username, vhost }: Config["amqp"], cause: unknown): Error {
  return new Error(
    `the broker at ${host}:${port} refuses the user "${username}" on the vhost "${vhost}": ` +
      `check amqp_settings (username, password, vhost) and the user's permissions`,
    { cause },
  );
}
