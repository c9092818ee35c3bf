import { setTimeout as sleep } from "node:timers/promises";
import type { AbandonedStatement, ServerConnection } from "./connection.ts";

/** Between two attempts to reach the server, and how long a statement is worth them, in milliseconds. */
const RETRY = 150;
const LIMIT = 30_000;

/** So long a statement for this takes at most, in milliseconds. */
const DEADLINE = 2000;

/** Where the connections come from on which statements are cancelled. */
interface Source {
  take(): Promise<{ readonly connection: ServerConnection }>;
  give(connection: ServerConnection): void;
}

/**
 * Has a server end statements whose client is gone. A server executes such a statement to its end and commits it, although
 * its request was answered 503. MariaDB has a limit of time for every statement, MySQL for SELECT alone.
 */
export class Cancellation {
  readonly #source: Source;
  readonly #abandoned = new Set<AbandonedStatement>();
  #running: Promise<void> | undefined;

  constructor(source: Source) {
    this.#source = source;
  }

  /** Begins to cancel a statement; never rejects, and gives up after half a minute. */
  cancel(statement: AbandonedStatement): void {
    this.#abandoned.add(statement);
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is left to cancel, at the latest after so many milliseconds. */
  async settle(limit: number): Promise<void> {
    if (this.#running === undefined) return;
    await Promise.race([this.#running, sleep(limit, undefined, { ref: false })]);
    this.#abandoned.clear();
  }

  async #run(): Promise<void> {
    while (this.#abandoned.size > 0) {
      await this.#attempt().catch(() => sleep(RETRY, undefined, { ref: false }));
      for (const statement of this.#abandoned)
        if (performance.now() - statement.sentAt > LIMIT) this.#abandoned.delete(statement);
    }
    this.#running = undefined;
  }

  async #attempt(): Promise<void> {
    const { connection } = await this.#source.take();
    try {
      for (const statement of this.#abandoned) {
        if (statement.server === connection.server) await endOn(connection, statement);
        this.#abandoned.delete(statement);
      }
    } finally {
      this.#source.give(connection);
    }
  }
}

/** Ends the connection of a statement, if it is still that statement's: a restarted server counts from one again. */
async function endOn(connection: ServerConnection, statement: AbandonedStatement): Promise<void> {
  const deadline = performance.now() + DEADLINE;
  // A user sees the own connections and may end them, without any privilege.
  const processes = await connection.rows("show processlist", deadline);
  const seconds = Math.floor((performance.now() - statement.sentAt) / 1000) - 1; // Time is rounded, too
  const isRunning = processes.some(
    ({ Id, Command, Time }) =>
      Number(Id) === statement.connectionId && Command !== "Sleep" && Number(Time) >= seconds,
  );
  // It may have ended by itself meanwhile.
  if (isRunning) await connection.run(`kill ${statement.connectionId}`, [], deadline).catch(() => undefined);
}
