import { setTimeout as sleep } from "node:timers/promises";
import type { AbandonedStatement, ServerConnection } from "./connection.ts";

/**
 * Pause between attempts to reach the server, and the age at which a statement is no longer cancelled, in milliseconds.
 */
const RETRY_DELAY = 150;
const MAX_AGE = 30_000;

/** Timeout of the statements that cancel another one, in milliseconds. */
const TIMEOUT = 2000;

/** Provides the connections that carry the `kill` statements. */
interface ConnectionSource {
  acquire(): Promise<{ readonly connection: ServerConnection }>;
  release(connection: ServerConnection): void;
}

/**
 * Cancels statements that the worker no longer waits for. Otherwise the server finishes them and holds their locks,
 * although the request was answered 503. MariaDB limits the time of every statement, MySQL only that of SELECT.
 */
export class Cancellation {
  readonly #source: ConnectionSource;
  readonly #abandoned = new Set<AbandonedStatement>();
  #running: Promise<void> | undefined;

  constructor(source: ConnectionSource) {
    this.#source = source;
  }

  /** Starts to cancel a statement. Never rejects, and gives up after 30 seconds. */
  cancel(statement: AbandonedStatement): void {
    this.#abandoned.add(statement);
    this.#running ??= this.#run();
  }

  /** Resolves when no cancellation is pending, at the latest after `limit` milliseconds. */
  async settle(limit: number): Promise<void> {
    if (this.#running === undefined) return;
    await Promise.race([this.#running, sleep(limit, undefined, { ref: false })]);
    this.#abandoned.clear();
  }

  async #run(): Promise<void> {
    while (this.#abandoned.size > 0) {
      await this.#cancelAll().catch(() => sleep(RETRY_DELAY, undefined, { ref: false }));
      for (const statement of this.#abandoned)
        if (performance.now() - statement.sentAt > MAX_AGE) this.#abandoned.delete(statement);
    }
    this.#running = undefined;
  }

  async #cancelAll(): Promise<void> {
    const { connection } = await this.#source.acquire();
    try {
      for (const statement of this.#abandoned) {
        if (statement.server === connection.server) await killOn(connection, statement);
        this.#abandoned.delete(statement);
      }
    } finally {
      this.#source.release(connection);
    }
  }
}

/** Kills a statement's connection if it still runs that statement: a restarted server reuses connection ids. */
async function killOn(connection: ServerConnection, statement: AbandonedStatement): Promise<void> {
  const deadline = performance.now() + TIMEOUT;
  // Each database user may list and kill its own connections without any privilege.
  const processes = await connection.rows("show processlist", deadline);
  const seconds = Math.floor((performance.now() - statement.sentAt) / 1000) - 1; // `Time` is rounded to whole seconds
  const isRunning = processes.some(
    ({ Id, Command, Time }) =>
      Number(Id) === statement.connectionId && Command !== "Sleep" && Number(Time) >= seconds,
  );
  // The statement may have ended in the meantime.
  if (isRunning) await connection.run(`kill ${statement.connectionId}`, [], deadline).catch(() => undefined);
}
