import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { MysqlQueryResult } from "kysely";
import mysql, { type Connection, type ConnectionOptions, type TypedParameterValue } from "mysql2";
import type { DbConfig } from "../config/load.ts";
import { AppError } from "../errors.ts";
import { isServerError, isContention, isFailover, translateError } from "./faults.ts";

/** The configuration of a MySQL or MariaDB server. */
export type ServerConfig = Extract<DbConfig, { dialect: "mysql" }>;

/** A statement that timed out here and may still run on the server. */
export interface AbandonedStatement {
  /** The server that runs it. */
  readonly server: string;
  /** The server's id for the connection. */
  readonly connectionId: number;
  /** When it was sent, by `performance.now()`. */
  readonly sentAt: number;
}

/** Receives what a connection learns about the server. */
export interface ConnectionWatcher {
  /** The server sent a reply, which may be an error. */
  answered(): void;
  /** The server did not reply to what was sent at `since` (by `performance.now()`); the connection is closed. */
  silent(since: number): void;
  /** The server may no longer be the primary: another one may now have this address. */
  failedOver(): void;
  /** A statement timed out, and the server may still run it. */
  abandoned(statement: AbandonedStatement): void;
  /** The connection is no longer usable. */
  closed(connection: ServerConnection): void;
}

type ExecuteValue = string | number | Buffer | TypedParameterValue | null;
/** A successful ping calls it without arguments. */
type Done = (error?: Error | null, result?: unknown) => void;

/** TCP keepalive, in milliseconds: detects a lost peer, and keeps firewalls from closing the connection. */
const KEEP_ALIVE = 30_000;

/** MariaDB ends a transaction that has written and then stays idle for this long, in seconds. */
const IDLE_WRITE_TIMEOUT = 5;

/**
 * Limit of MariaDB's JSON_ARRAYAGG, in bytes. A user's groups are one such text, which a lower server limit would cut.
 */
const MAX_GROUPS_TEXT = 2 ** 24;

/** How long a clean close may take, in milliseconds. */
const QUIT_TIMEOUT = 200;

/** A connection to the server. Every exchange on it has a deadline, by `performance.now()`. */
export class ServerConnection {
  readonly openedAt = performance.now();
  /** When it was last released; set by its pool. */
  idleSince = this.openedAt;
  readonly #socket: Socket;
  readonly #connection: Connection;
  readonly #setup: readonly string[];
  readonly #watcher: ConnectionWatcher;
  readonly #closed: Promise<void>;
  #isUsable = true;
  #server = "";
  #connectionId = 0;
  /** Rejects the pending exchange: mysql2 does not report a connection that this process closes. */
  #abandon: ((why: string) => void) | undefined;

  constructor(config: ServerConfig, watcher: ConnectionWatcher) {
    const { host, port } = config;
    this.#setup = sessionSetup(config.timeout_ms);
    this.#watcher = watcher;
    this.#socket = connect({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE,
    });
    // Node compares the certificate with this field. It sets it for names only, and takes "localhost" for an address.
    Object.assign(this.#socket, { _host: host });
    this.#connection = mysql.createConnection({
      host,
      port,
      // mysql2 keeps its own sockets until the other side closes them: they would pile up while a server hangs.
      stream: () => this.#socket,
      connectTimeout: 0, // `open` has a deadline
      database: config.database,
      user: config.user,
      password: config.password,
      ...tlsOptions(config),
      charset: "utf8mb4_unicode_520_ci",
      timezone: "Z",
      dateStrings: true,
      supportBigNumbers: true,
      bigNumberStrings: true,
      jsonStrings: true,
    });
    // A pending exchange reports the loss itself. An error event without a listener would end the process.
    this.#connection.on("error", () => this.#markUnusable());
    this.#socket.once("end", () => this.#markUnusable());
    this.#closed = new Promise((resolve) => {
      this.#socket.once("close", () => {
        this.#markUnusable();
        resolve();
      });
    });
  }

  /** Connects, logs in and sets up the session. Rejects with UNAVAILABLE or the server's error. */
  async open(deadline: number): Promise<void> {
    try {
      await this.#exchange(deadline, (done) => this.#connection.connect(done));
      for (const statement of this.#setup) await this.run(statement, [], deadline);
      await this.#identify(deadline);
      await this.#readCausally(deadline);
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  /** False once the connection is lost, or the server reported that it cannot be used now. */
  get isUsable(): boolean {
    return this.#isUsable;
  }

  /** The server's id for this connection. */
  get threadId(): number {
    return this.#connection.threadId;
  }

  /** The server at the other end: after a failover, an address belongs to another server. */
  get server(): string {
    return this.#server;
  }

  /** The rows of a statement, or the number of rows that it changed. */
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
    return result as MysqlQueryResult; // rows or an OK packet; Kysely distinguishes them
  }

  /** The rows of a statement without parameters; empty if it returns none. */
  async rows(sql: string, deadline: number): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const result = await this.run(sql, [], deadline);
    return Array.isArray(result) ? result : [];
  }

  /** Resolves when the server answers. */
  async ping(deadline: number): Promise<void> {
    await this.#exchange(deadline, (done) => this.#connection.ping(done));
  }

  /** Closes the connection cleanly. Complete on return, at the latest after 200 ms. */
  async quit(): Promise<void> {
    this.#markUnusable();
    this.#connection.end();
    await Promise.race([this.#closed, sleep(QUIT_TIMEOUT, undefined, { ref: false })]);
    this.destroy();
  }

  /** Closes the connection at once and rejects a pending exchange. */
  destroy(): void {
    this.#markUnusable();
    this.#connection.destroy();
    this.#socket.destroy();
    this.#abandon?.("the connection was closed");
  }

  #markUnusable(): void {
    if (!this.#isUsable) return;
    this.#isUsable = false;
    this.#watcher.closed(this);
  }

  /** Asks the server for its own connection id: a proxy reports a different one. */
  async #identify(deadline: number): Promise<void> {
    const statement =
      "select concat_ws(':', @@hostname, @@port, @@server_id) as server, connection_id() as id";
    const [row] = await this.rows(statement, deadline);
    this.#server = typeof row?.["server"] === "string" ? row["server"] : "";
    this.#connectionId = Number(row?.["id"] ?? 0);
  }

  /**
   * In a Galera cluster, a node applies what another node has committed a little later. From here on, a read outside of
   * a transaction and the start of a transaction wait for it (bit 1): a revocation is visible at every node.
   */
  async #readCausally(deadline: number): Promise<void> {
    // MySQL does not have the variable.
    const [row] = await this.rows("show variables like 'wsrep_on'", deadline);
    if (row?.["Value"] === "ON")
      await this.run("set session wsrep_sync_wait = @@session.wsrep_sync_wait | 1", [], deadline);
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
    /** True for the first caller: only that one may settle the promise. */
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
      // Close the connection: a late reply would be taken for the reply to the next statement.
      this.destroy();
      this.#watcher.silent(sentAt);
      onAbandoned();
      reject(new AppError("UNAVAILABLE", `database: no answer within ${Math.round(limit)} ms`));
    };
    // `setImmediate`: read a reply that arrived while the event loop was busy before reporting a timeout.
    timer = setTimeout(() => setImmediate(expire), limit);
    send((error, result) => {
      if (!settle()) return;
      const isRefused = error !== null && error !== undefined;
      if (!isRefused || isServerError(error)) this.#watcher.answered();
      if (isRefused) reject(this.#toReported(error));
      else resolve(result);
    });
    return promise;
  }

  #toReported(error: Error): Error {
    const reported = translateError(error);
    // Contention concerns one transaction. Any other UNAVAILABLE may come from this server or connection.
    if (reported instanceof AppError && !isContention(reported)) this.#markUnusable();
    if (isFailover(reported)) this.#watcher.failedOver();
    return reported;
  }
}

/**
 * Statements that set up each session: UTC, no silent truncation, READ COMMITTED. The lock wait ends before the
 * statement's deadline, so that the statement can be retried. The statement time limit ends a statement that timed out;
 * MySQL has it for SELECT only (see Cancellation). MySQL and MariaDB each ignore the
 * other's version comment. The idle limit releases the locks of a worker that froze in a transaction.
 */
function sessionSetup(timeout: number): readonly string[] {
  const lockWait = Math.max(1, Math.ceil(timeout / 1000) - 1);
  return [
    "set session transaction isolation level read committed",
    "set session time_zone = '+00:00', " +
      "sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION', " +
      `innodb_lock_wait_timeout = ${lockWait}, lock_wait_timeout = ${lockWait}, ` +
      `group_concat_max_len = ${MAX_GROUPS_TEXT}` +
      `/*!80000 , max_execution_time = ${timeout} */` +
      `/*M!100101 , max_statement_time = ${timeout / 1000} */` +
      `/*M!100309 , idle_write_transaction_timeout = ${IDLE_WRITE_TIMEOUT} */`,
  ];
}

/** mysql2 always checks the chain of certificates, and the host name only with `verifyIdentity`. */
function tlsOptions({ tls, ca, verify_host }: ServerConfig): Pick<ConnectionOptions, "ssl"> {
  return tls ? { ssl: { ...(ca && { ca }), verifyIdentity: verify_host } } : {};
}

function toInput(value: unknown): ExecuteValue {
  if (value === null || typeof value === "string" || typeof value === "number") return value;
  // MySQL compares a bigint that is bound as text as a rounded float: two token ids could be equal.
  if (typeof value === "bigint") return mysql.TypedParameter.BIGINT(value);
  if (value instanceof Uint8Array) return Buffer.from(value);
  throw new TypeError(`cannot bind a ${typeof value}`);
}
