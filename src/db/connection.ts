import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { MysqlQueryResult } from "kysely";
import mysql, { type Connection, type TypedParameterValue } from "mysql2";
import type { DbConfig } from "../config/load.ts";
import { AppError } from "../errors.ts";
import { isAnswer, isContention, isMisdirected, translateFault } from "./faults.ts";

/** The database as a server. */
export type ServerConfig = Extract<DbConfig, { dialect: "mysql" }>;

/** A statement that nobody waits for any more, and that its server may still execute. */
export interface AbandonedStatement {
  /** Which server it is. */
  readonly server: string;
  /** The server's number for the connection. */
  readonly connectionId: number;
  /** When it was sent, by `performance.now()`. */
  readonly sentAt: number;
}

/** Who wants to know what a connection tells about the server. */
export interface ConnectionWatcher {
  /** The server said something, if only that it refuses. */
  answered(): void;
  /** It said nothing to what was sent at this moment (by `performance.now()`), and the connection is given up. */
  silent(since: number): void;
  /** Another server may stand behind this address by now. */
  misdirected(): void;
  /** Nobody waits any more for a statement that the server may still execute. */
  abandoned(statement: AbandonedStatement): void;
  /** The connection cannot be used any more. */
  closed(connection: ServerConnection): void;
}

type ExecuteValue = string | number | Buffer | TypedParameterValue | null;
/** A ping that succeeds calls it with nothing. */
type Done = (error?: Error | null, result?: unknown) => void;

/** A peer that vanished without a word is found out after half a minute, and a firewall in between sees traffic. */
const KEEP_ALIVE = 30_000;

/** A transaction that wrote and then stands still for so many seconds is ended by the server (MariaDB alone). */
const FROZEN = 5;

/** A user's groups come as one text, which MariaDB would cut at what its administrator holds for long, in bytes. */
const LONGEST_LIST = 2 ** 24;

/** So long a server may take to answer a goodbye, in milliseconds. */
const GOODBYE = 200;

/** One connection to the server on which every exchange has a deadline, by `performance.now()`. */
export class ServerConnection {
  readonly openedAt = performance.now();
  /** When it was last given back; set by its pool. */
  idleSince = this.openedAt;
  readonly #socket: Socket;
  readonly #connection: Connection;
  readonly #session: readonly string[];
  readonly #watcher: ConnectionWatcher;
  readonly #closed: Promise<void>;
  #isUsable = true;
  #server = "";
  #connectionId = 0;
  /** Rejects what waits for an answer: mysql2 tells nobody of a connection that is closed from here. */
  #abandon: ((why: string) => void) | undefined;

  constructor(config: ServerConfig, watcher: ConnectionWatcher) {
    const { host, port } = config;
    this.#session = sessionOf(config.timeout_ms);
    this.#watcher = watcher;
    this.#socket = connect({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE,
    });
    this.#connection = mysql.createConnection({
      host,
      port,
      // Of its own sockets mysql2 lets none go before the other side does: with a server that hangs they pile up.
      stream: () => this.#socket,
      connectTimeout: 0, // the deadline of opening is the limit
      database: config.database,
      user: config.user,
      password: config.password,
      ...(config.tls ? { ssl: { ...(config.ca && { ca: config.ca }), verifyIdentity: true } } : {}),
      charset: "utf8mb4_unicode_520_ci",
      timezone: "Z",
      dateStrings: true,
      supportBigNumbers: true,
      bigNumberStrings: true,
      jsonStrings: true,
    });
    // Who waits for an answer learns of a loss by itself; without a listener it would end the process.
    this.#connection.on("error", () => this.#spoil());
    this.#socket.once("end", () => this.#spoil());
    this.#closed = new Promise((resolve) => {
      this.#socket.once("close", () => {
        this.#spoil();
        resolve();
      });
    });
  }

  /** Connects, logs in and sets the session up; rejects with UNAVAILABLE or what the server says. */
  async open(deadline: number): Promise<void> {
    try {
      await this.#exchange(deadline, (done) => this.#connection.connect(done));
      for (const statement of this.#session) await this.run(statement, [], deadline);
      await this.#identify(deadline);
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  /** False once it is lost, or the server said that it cannot be used now: then it is of no use to anybody else. */
  get isUsable(): boolean {
    return this.#isUsable;
  }

  /** The server's number for it. */
  get threadId(): number {
    return this.#connection.threadId;
  }

  /** Which server it leads to: one address may belong to several, one after the other. */
  get server(): string {
    return this.#server;
  }

  /** Rows, or what a statement changed. */
  async run(sql: string, parameters: readonly unknown[], deadline: number): Promise<MysqlQueryResult> {
    const inputs = parameters.map(toInput);
    const sentAt = performance.now();
    const abandon = (): void => {
      if (this.#connectionId > 0)
        this.#watcher.abandoned({ server: this.#server, connectionId: this.#connectionId, sentAt });
    };
    const send = (done: Done): void => {
      // BEGIN and most DDL cannot be prepared on MySQL; they are the statements without parameters.
      if (inputs.length === 0) this.#connection.query(sql, done);
      else this.#connection.execute(sql, inputs, done);
    };
    const result = await this.#exchange(deadline, send, abandon);
    return result as MysqlQueryResult; // rows or an OK packet, which Kysely tells apart
  }

  /** The rows of a statement without parameters; none where it gives none. */
  async rows(sql: string, deadline: number): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const result = await this.run(sql, [], deadline);
    return Array.isArray(result) ? result : [];
  }

  /** Resolves when the server answers. */
  async ping(deadline: number): Promise<void> {
    await this.#exchange(deadline, (done) => this.#connection.ping(done));
  }

  /** Says goodbye; complete on return, at the latest after 200 ms. */
  async quit(): Promise<void> {
    this.#spoil();
    this.#connection.end();
    await Promise.race([this.#closed, sleep(GOODBYE, undefined, { ref: false })]);
    this.destroy();
  }

  /** Ends it at once; what waits for an answer has none. */
  destroy(): void {
    this.#spoil();
    this.#connection.destroy();
    this.#socket.destroy();
    this.#abandon?.("the connection was closed");
  }

  #spoil(): void {
    if (!this.#isUsable) return;
    this.#isUsable = false;
    this.#watcher.closed(this);
  }

  /** A proxy has numbers of its own for connections, so the server itself is asked. */
  async #identify(deadline: number): Promise<void> {
    const statement =
      "select concat_ws(':', @@hostname, @@port, @@server_id) as server, connection_id() as id";
    const [row] = await this.rows(statement, deadline);
    this.#server = typeof row?.["server"] === "string" ? row["server"] : "";
    this.#connectionId = Number(row?.["id"] ?? 0);
  }

  #exchange(
    deadline: number,
    send: (done: Done) => void,
    onAbandoned: () => void = () => undefined,
  ): Promise<unknown> {
    const sentAt = performance.now();
    const limit = Math.max(0, deadline - sentAt);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    let timer: NodeJS.Timeout | undefined;
    /** Whether this settles it: the first one to come does. */
    const settle = (): boolean => {
      if (timer === undefined) return false;
      clearTimeout(timer);
      timer = undefined;
      this.#abandon = undefined;
      return true;
    };
    this.#abandon = (why) => {
      if (!settle()) return;
      onAbandoned();
      reject(new AppError("UNAVAILABLE", `database: ${why}`));
    };
    const expire = (): void => {
      if (!settle()) return;
      // The answer to a late statement would be taken for that of the next one: the connection goes.
      this.destroy();
      this.#watcher.silent(sentAt);
      onAbandoned();
      reject(new AppError("UNAVAILABLE", `database: no answer within ${Math.round(limit)} ms`));
    };
    // An answer that has arrived while this process was busy is read before it is taken for missing.
    timer = setTimeout(() => setImmediate(expire), limit);
    send((error, result) => {
      if (!settle()) return;
      const isRefused = error !== null && error !== undefined;
      if (!isRefused || isAnswer(error)) this.#watcher.answered();
      if (isRefused) reject(this.#faultOf(error));
      else resolve(result);
    });
    return promise;
  }

  #faultOf(error: Error): Error {
    const fault = translateFault(error);
    // Contention is the business of one transaction; whatever else is unavailable may be so because of this server.
    if (fault instanceof AppError && !isContention(fault)) this.#spoil();
    if (isMisdirected(fault)) this.#watcher.misdirected();
    return fault;
  }
}

/**
 * What every connection says first: UTC, no silent truncation, and a snapshot per statement instead of per transaction. A
 * wait for a lock ends before the statement's deadline, so that it can be repeated; and a statement that was given up
 * must not become real later. MySQL has such a limit for SELECT alone: see Cancellation for the others. Each of the two
 * takes for a comment what only the other one knows. A worker that is frozen in the middle of a transaction must not keep its locks.
 */
function sessionOf(timeout: number): readonly string[] {
  const lockWait = Math.max(1, Math.ceil(timeout / 1000) - 1);
  return [
    "set session transaction isolation level read committed",
    "set session time_zone = '+00:00', " +
      "sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION', " +
      `innodb_lock_wait_timeout = ${lockWait}, lock_wait_timeout = ${lockWait}, ` +
      `group_concat_max_len = ${LONGEST_LIST}` +
      `/*!80000 , max_execution_time = ${timeout} */` +
      `/*M!100101 , max_statement_time = ${timeout / 1000} */` +
      `/*M!100309 , idle_write_transaction_timeout = ${FROZEN} */`,
  ];
}

function toInput(value: unknown): ExecuteValue {
  if (value === null || typeof value === "string" || typeof value === "number") return value;
  // Bound as text, a bigint would be compared as a rounded float: two token ids could be the same.
  if (typeof value === "bigint") return mysql.TypedParameter.BIGINT(value);
  if (value instanceof Uint8Array) return Buffer.from(value);
  throw new TypeError(`cannot bind a ${typeof value}`);
}
