import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../errors.ts";
import { Cancellation } from "./cancel-statements.ts";
import { type ConnectionWatcher, ServerConnection, type ServerConfig } from "./connection.ts";
import { isCrowded, isOperatorFault } from "./faults.ts";

/** Statements that wait for a connection, for each connection that there may be; one more is refused at once. */
const WAITING_PER_CONNECTION = 100;

/** Whoever gives a statement ten minutes does not wait as long for a handshake: milliseconds. */
const CONNECT_LIMIT = 10_000;

/**
 * A connection that was idle for so long is asked whether it is alive before a statement relies on it, in ms. Much
 * shorter than the pauses between the worker's own looks for events: what one of them used could be lost since.
 */
const FRESH = 25;

/** It has so much of the budget to answer, and so many milliseconds: the rest is for another connection. */
const PING_SHARE = 0.25;
const PING_LIMIT = 500;

/** So long statements wait for a server that fell silent to prove that it lives; and it is asked so often, in ms. */
const PROOF = 150;

/** So long the end waits until the server has ended what still runs, in milliseconds. */
const CANCELLATION = 500;

/** A connection, and the deadline of the first exchange on it, by `performance.now()`. */
export interface PooledConnection {
  readonly connection: ServerConnection;
  readonly deadline: number;
}

interface Waiter {
  readonly resolve: (connection: ServerConnection | undefined) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Connections to one server. Waiting for one, opening it and the first statement share one budget of `timeout_ms`. When
 * the server was silent for that long, the pool itself asks it until it answers, and refuses everybody meanwhile: each
 * would wait just as long, and requests behind it in the broker twice as long.
 */
export class ConnectionPool {
  readonly #config: ServerConfig;
  readonly #watcher: ConnectionWatcher;
  readonly #open = new Set<ServerConnection>();
  readonly #idle: ServerConnection[] = [];
  readonly #waiters = new Set<Waiter>();
  /** Connections that are open, or being opened: each is somebody's, idle, or handed to the next who waits. */
  #slots = 0;
  #answeredAt = 0;
  /** There while the server is silent; resolves when it is known whether it was only for a moment. */
  #silence: PromiseWithResolvers<void> | undefined;
  /** Connections from before this moment lead to a server that is not the right one any more. */
  #validFrom = 0;
  readonly #cancellation: Cancellation;
  #isClosed = false;

  constructor(config: ServerConfig) {
    this.#config = config;
    this.#cancellation = new Cancellation({
      take: () => this.#take(),
      give: (connection) => this.give(connection),
    });
    this.#watcher = {
      answered: () => {
        this.#answeredAt = performance.now();
        this.#endSilence();
      },
      silent: (since) => this.#fallSilent(since),
      misdirected: () => this.#retire(),
      abandoned: (statement) => this.#cancellation.cancel(statement),
      closed: (connection) => {
        this.#open.delete(connection);
        const index = this.#idle.indexOf(connection);
        if (index < 0) return; // somebody has it, and will give it back
        this.#idle.splice(index, 1);
        this.#freeSlot();
      },
    };
  }

  /** How many connections are open or being opened, how many of them idle, and how many statements wait for one. */
  get counts(): { readonly open: number; readonly idle: number; readonly waiting: number } {
    return { open: this.#open.size, idle: this.#idle.length, waiting: this.#waiters.size };
  }

  /** A connection for one use; rejects with UNAVAILABLE within the budget. To be given back. */
  async take(): Promise<PooledConnection> {
    if (this.#isClosed) throw unavailable("it is closed");
    return this.#take();
  }

  async #take(): Promise<PooledConnection> {
    const deadline = performance.now() + this.#config.timeout_ms;
    await this.#silence?.promise;
    if (this.#silence !== undefined) throw unavailable("it does not answer");
    return { connection: await this.#find(deadline), deadline };
  }

  /** Takes a connection back after its use. */
  give(connection: ServerConnection): void {
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

  /** Closes every connection; a statement that runs fails. Complete on return. */
  async end(): Promise<void> {
    this.#isClosed = true;
    this.#refuseAll("it is closed");
    for (const connection of this.#open) if (!this.#idle.includes(connection)) connection.destroy();
    await this.#cancellation.settle(CANCELLATION);
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
    if (now - connection.idleSince < FRESH) return true;
    try {
      await connection.ping(now + Math.min((deadline - now) * PING_SHARE, PING_LIMIT));
      return true;
    } catch {
      connection.destroy();
      this.#closeIdle(); // whatever ended this one has probably ended those that were idle for longer
      return false;
    }
  }

  /** Opens a connection in a slot that is already counted. */
  async #connect(deadline: number): Promise<ServerConnection> {
    try {
      const limit = Math.min(deadline, performance.now() + CONNECT_LIMIT);
      const connection = new ServerConnection(this.#config, this.#watcher);
      this.#open.add(connection);
      await connection.open(limit);
      return connection;
    } catch (error) {
      if ((isCrowded(error) || isOperatorFault(error)) && this.#slots > 1) {
        // The server takes no other one, for lack of room or by a new password: those that are there have to do.
        this.#slots--;
        return this.#idle.length > 0 ? this.#find(deadline) : this.#wait(deadline);
      }
      this.#freeSlot();
      throw error;
    }
  }

  async #wait(deadline: number): Promise<ServerConnection> {
    const { pool_size, timeout_ms } = this.#config;
    if (this.#waiters.size >= pool_size * WAITING_PER_CONNECTION) throw unavailable("too many wait for it");
    const { promise, resolve, reject } = Promise.withResolvers<ServerConnection | undefined>();
    const waiter: Waiter = { resolve, reject };
    this.#waiters.add(waiter);
    // A connection that comes too late for a statement would only be lost with it.
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

  /** Who waits may open a connection in the place of one that is gone. */
  #freeSlot(): void {
    const waiter = this.#nextWaiter();
    if (waiter === undefined) this.#slots--;
    else waiter.resolve(undefined);
  }

  #refuseAll(why: string): void {
    for (const { reject } of this.#waiters) reject(unavailable(why));
    this.#waiters.clear();
  }

  #fallSilent(since: number): void {
    // One slow statement is no silent server: nobody must have heard from it, and for long enough.
    const isBrief = performance.now() - since < this.#config.timeout_ms / 2;
    if (isBrief || this.#answeredAt >= since || this.#silence !== undefined || this.#isClosed) return;
    const silence = Promise.withResolvers<void>();
    this.#silence = silence;
    setTimeout(() => silence.resolve(), PROOF).unref();
    this.#refuseAll("it does not answer");
    this.#closeIdle();
    void this.#ask();
  }

  /** Connects until the server answers, or something else than silence is the answer. */
  async #ask(): Promise<void> {
    let isSilent = true;
    const watcher = { ...this.#watcher, silent: () => (isSilent = true) };
    while (isSilent && this.#silence !== undefined) {
      isSilent = false;
      const connection = new ServerConnection(this.#config, watcher);
      this.#open.add(connection);
      await connection.open(performance.now() + Math.min(this.#config.timeout_ms, CONNECT_LIMIT)).then(
        () => connection.quit(),
        () => (isSilent ? sleep(PROOF, undefined, { ref: false }) : undefined),
      );
    }
    this.#endSilence();
  }

  #endSilence(): void {
    this.#silence?.resolve();
    this.#silence = undefined;
  }

  /** Has every connection opened anew, at most once a second: a server that stays read only is no reason to hurry. */
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
