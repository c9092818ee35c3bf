import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../errors.ts";
import { Cancellation } from "./cancel-statements.ts";
import { type ConnectionWatcher, ServerConnection, type ServerConfig } from "./connection.ts";
import { isTooManyConnections, needsOperator } from "./faults.ts";

/** Waiting statements per connection of the pool; further ones are rejected at once. */
const WAITING_PER_CONNECTION = 100;

/** Upper limit of opening a connection, in milliseconds, even if `timeout_ms` is longer. */
const CONNECT_LIMIT = 10_000;

/**
 * Idle time after which a connection is pinged before use, in milliseconds. Much shorter than the pauses between the
 * worker's own polls for events: a poll's connection may have been lost since.
 */
const PING_AFTER_IDLE = 25;

/** Limits of a ping, as a share of the remaining time and in milliseconds: the rest is for another connection. */
const PING_SHARE = 0.25;
const PING_LIMIT = 500;

/** How long statements wait for a silent server to answer a probe, and the pause between probes, in milliseconds. */
const PROBE_INTERVAL = 150;

/** How long `end` waits for running statements to be cancelled, in milliseconds. */
const CANCEL_TIMEOUT = 500;

/** An acquired connection, and the deadline of its first exchange, by `performance.now()`. */
export interface PooledConnection {
  readonly connection: ServerConnection;
  readonly deadline: number;
}

interface Waiter {
  readonly resolve: (connection: ServerConnection | undefined) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A pool of connections to one server. Waiting for a connection, opening it and the first statement share one budget of
 * `timeout_ms`. If the server is silent for that long, the pool probes it and rejects all statements until it answers.
 * Otherwise each request would wait that long, and those queued behind it in the broker longer still.
 */
export class ConnectionPool {
  readonly #config: ServerConfig;
  readonly #watcher: ConnectionWatcher;
  readonly #open = new Set<ServerConnection>();
  readonly #idle: ServerConnection[] = [];
  readonly #waiters = new Set<Waiter>();
  /** Connections that are open or being opened: in use, idle, or about to go to a waiter. */
  #slots = 0;
  #answeredAt = 0;
  /** Set while the server is silent; resolves when the server answers, or after one probe interval. */
  #silence: PromiseWithResolvers<void> | undefined;
  /** Connections that were opened earlier may lead to a server that is no longer the primary. */
  #validFrom = 0;
  readonly #cancellation: Cancellation;
  #isClosed = false;

  constructor(config: ServerConfig) {
    this.#config = config;
    this.#cancellation = new Cancellation({
      acquire: () => this.#acquire(),
      release: (connection) => this.release(connection),
    });
    this.#watcher = {
      answered: () => {
        this.#answeredAt = performance.now();
        this.#endSilence();
      },
      silent: (since) => this.#markSilent(since),
      failedOver: () => this.#retire(),
      abandoned: (statement) => this.#cancellation.cancel(statement),
      closed: (connection) => {
        this.#open.delete(connection);
        const index = this.#idle.indexOf(connection);
        if (index < 0) return; // in use: `release` frees the slot
        this.#idle.splice(index, 1);
        this.#freeSlot();
      },
    };
  }

  /** The number of connections that are open or being opened, of idle ones, and of waiting statements. */
  get counts(): { readonly open: number; readonly idle: number; readonly waiting: number } {
    return { open: this.#open.size, idle: this.#idle.length, waiting: this.#waiters.size };
  }

  /** Acquires a connection for one use; the caller must release it. Rejects with UNAVAILABLE within the budget. */
  async acquire(): Promise<PooledConnection> {
    if (this.#isClosed) throw unavailable("the connection pool is closed");
    return this.#acquire();
  }

  async #acquire(): Promise<PooledConnection> {
    const deadline = performance.now() + this.#config.timeout_ms;
    await this.#silence?.promise;
    if (this.#silence !== undefined) throw unavailable("the server does not answer");
    return { connection: await this.#find(deadline), deadline };
  }

  /** Returns a connection to the pool. */
  release(connection: ServerConnection): void {
    if (!connection.isUsable || connection.openedAt < this.#validFrom) {
      void connection.quit();
      this.#freeSlot();
      return;
    }
    connection.idleSince = performance.now();
    const waiter = this.#nextWaiter();
    if (waiter === undefined) this.#idle.push(connection);
    else waiter.resolve(connection);
  }

  /** Closes every connection; running statements fail. Complete on return. */
  async end(): Promise<void> {
    this.#isClosed = true;
    this.#rejectWaiters("the connection pool is closed");
    for (const connection of this.#open) if (!this.#idle.includes(connection)) connection.destroy();
    await this.#cancellation.settle(CANCEL_TIMEOUT);
    this.#endSilence();
    const idle = [...this.#idle];
    for (const connection of this.#open) if (!idle.includes(connection)) connection.destroy();
    await Promise.all(idle.map((connection) => connection.quit()));
  }

  async #find(deadline: number): Promise<ServerConnection> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return (await this.#isAlive(idle, deadline)) ? idle : this.#connect(deadline);
    if (this.#slots >= this.#config.pool_size) return this.#wait(deadline);
    this.#slots++;
    return this.#connect(deadline);
  }

  async #isAlive(connection: ServerConnection, deadline: number): Promise<boolean> {
    const now = performance.now();
    if (now - connection.idleSince < PING_AFTER_IDLE) return true;
    try {
      await connection.ping(now + Math.min((deadline - now) * PING_SHARE, PING_LIMIT));
      return true;
    } catch {
      connection.destroy();
      this.#closeIdle(); // connections that were idle for longer are probably lost too
      return false;
    }
  }

  /** Opens a connection in a slot that the caller has taken. */
  async #connect(deadline: number): Promise<ServerConnection> {
    try {
      const limit = Math.min(deadline, performance.now() + CONNECT_LIMIT);
      const connection = new ServerConnection(this.#config, this.#watcher);
      this.#open.add(connection);
      await connection.open(limit);
      return connection;
    } catch (error) {
      if ((isTooManyConnections(error) || needsOperator(error)) && this.#slots > 1) {
        // The server accepts no further connection (limit reached, password changed): use the open ones.
        this.#slots--;
        return this.#idle.length > 0 ? this.#find(deadline) : this.#wait(deadline);
      }
      this.#freeSlot();
      throw error;
    }
  }

  async #wait(deadline: number): Promise<ServerConnection> {
    const { pool_size, timeout_ms } = this.#config;
    if (this.#waiters.size >= pool_size * WAITING_PER_CONNECTION)
      throw unavailable("too many requests wait for a connection");
    const { promise, resolve, reject } = Promise.withResolvers<ServerConnection | undefined>();
    const waiter: Waiter = { resolve, reject };
    this.#waiters.add(waiter);
    // Stop waiting a little before the deadline: the statement needs time as well.
    const limit = deadline - performance.now() - timeout_ms / 10;
    const timer = setTimeout(() => {
      if (this.#waiters.delete(waiter)) reject(unavailable(`no connection within ${Math.round(limit)} ms`));
    }, limit);
    try {
      return (await promise) ?? (await this.#connect(deadline));
    } finally {
      clearTimeout(timer);
    }
  }

  #nextWaiter(): Waiter | undefined {
    const [waiter] = this.#waiters;
    if (waiter !== undefined) this.#waiters.delete(waiter);
    return waiter;
  }

  /** Frees the slot of a closed connection: the next waiter may open one in it. */
  #freeSlot(): void {
    const waiter = this.#nextWaiter();
    if (waiter === undefined) this.#slots--;
    else waiter.resolve(undefined);
  }

  #rejectWaiters(why: string): void {
    for (const { reject } of this.#waiters) reject(unavailable(why));
    this.#waiters.clear();
  }

  #markSilent(since: number): void {
    // A slow statement alone does not make a server silent: no connection may have heard from it for long enough.
    const isBrief = performance.now() - since < this.#config.timeout_ms / 2;
    if (isBrief || this.#answeredAt >= since || this.#silence !== undefined || this.#isClosed) return;
    const silence = Promise.withResolvers<void>();
    this.#silence = silence;
    setTimeout(() => silence.resolve(), PROBE_INTERVAL).unref();
    this.#rejectWaiters("the server does not answer");
    this.#closeIdle();
    void this.#probe();
  }

  /** Connects until the server answers or the error is something else than silence. */
  async #probe(): Promise<void> {
    let isSilent = true;
    const watcher = { ...this.#watcher, silent: () => (isSilent = true) };
    while (isSilent && this.#silence !== undefined) {
      isSilent = false;
      const connection = new ServerConnection(this.#config, watcher);
      this.#open.add(connection);
      await connection.open(performance.now() + Math.min(this.#config.timeout_ms, CONNECT_LIMIT)).then(
        () => connection.quit(),
        () => (isSilent ? sleep(PROBE_INTERVAL, undefined, { ref: false }) : undefined),
      );
    }
    this.#endSilence();
  }

  #endSilence(): void {
    this.#silence?.resolve();
    this.#silence = undefined;
  }

  /** Replaces all connections, at most once a second: a server may stay read-only for long. */
  #retire(): void {
    const now = performance.now();
    if (now - this.#validFrom < 1000) return;
    this.#validFrom = now;
    this.#closeIdle();
  }

  #closeIdle(): void {
    for (const connection of [...this.#idle]) connection.destroy();
  }
}

function unavailable(why: string): AppError {
  return new AppError("UNAVAILABLE", `database: ${why}`);
}
