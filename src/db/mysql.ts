import { MysqlDialect, type MysqlPool, type MysqlPoolConnection, type MysqlQueryResult } from "kysely";
import type { Metrics } from "../observability/metrics.ts";
import { traced } from "../observability/tracing.ts";
import type { ServerConfig } from "./connection.ts";
import type { ConnectionPool, PooledConnection } from "./pool.ts";
import { isWrite, runSingleWrite } from "./single-write.ts";
import { statementSpan } from "./statement-span.ts";

/** Kysely's MySQL dialect on mysql2, with prepared statements and a timeout on every wait. */
export function mysqlDialect(config: ServerConfig, metrics?: Metrics): MysqlDialect {
  return new MysqlDialect({
    // Kysely calls it once, before the first statement.
    pool: async () => {
      // The driver takes a fifth of the modules of a short command: do not load it for SQLite.
      const { ConnectionPool } = await import("./pool.ts");
      const pool = new ConnectionPool(config);
      for (const state of ["open", "idle", "waiting"] as const)
        metrics?.gauge("database_connections", { state }, () => pool.counts[state]);
      return new KyselyPool(pool, config.timeout_ms);
    },
  });
}

/** Adapts the pool to Kysely's interface. */
class KyselyPool implements MysqlPool {
  readonly #pool: ConnectionPool;
  readonly #timeout: number;

  constructor(pool: ConnectionPool, timeout: number) {
    this.#pool = pool;
    this.#timeout = timeout;
  }

  getConnection(callback: (error: unknown, connection: MysqlPoolConnection) => void): void {
    this.#pool.acquire().then(
      (acquired) => callback(null, new KyselyConnection(this.#pool, acquired, this.#timeout)),
      // With an error, Kysely does not read the connection.
      (error: unknown) => (callback as (error: unknown) => void)(error),
    );
  }

  end(callback: (error: unknown) => void): void {
    this.#pool.end().then(() => callback(undefined), callback);
  }
}

/** One use of a pooled connection. */
class KyselyConnection implements MysqlPoolConnection {
  readonly #pool: ConnectionPool;
  readonly #connection: PooledConnection["connection"];
  readonly #timeout: number;
  #firstDeadline: number | undefined;

  constructor(pool: ConnectionPool, { connection, deadline }: PooledConnection, timeout: number) {
    this.#pool = pool;
    this.#connection = connection;
    this.#timeout = timeout;
    this.#firstDeadline = deadline;
  }

  get config(): object {
    return {};
  }

  get threadId(): number {
    return this.#connection.threadId;
  }

  query(
    sql: string,
    parameters: readonly unknown[],
    callback?: (error: unknown, result: MysqlQueryResult) => void,
  ): { stream: () => never } {
    // The wait for the connection counts towards the first statement's timeout.
    const deadline = this.#firstDeadline ?? performance.now() + this.#timeout;
    // Transactions begin with another statement.
    const isSingleWrite = this.#firstDeadline !== undefined && isWrite(sql);
    this.#firstDeadline = undefined;
    const run = () =>
      isSingleWrite
        ? runSingleWrite(this.#connection, sql, parameters, deadline)
        : this.#connection.run(sql, parameters, deadline);
    traced(() => statementSpan("mysql", sql), run).then(
      (result) => callback?.(null, result),
      // With an error, Kysely does not read the result.
      (error: unknown) => (callback as ((error: unknown) => void) | undefined)?.(error),
    );
    return {
      stream: () => {
        throw new Error("streaming is not supported");
      },
    };
  }

  release(): void {
    this.#pool.release(this.#connection);
  }

  destroy(): void {
    this.#connection.destroy();
  }

  connect(): never {
    throw new Error("a pooled connection is already connected");
  }
}
