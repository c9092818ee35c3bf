import { MysqlDialect, type MysqlPool, type MysqlPoolConnection, type MysqlQueryResult } from "kysely";
import mysql, { type Pool, type PoolConnection, type TypedParameterValue } from "mysql2";
import type { DbConfig } from "../config/load.ts";
import { AppError } from "../errors.ts";
import { translateFault } from "./faults.ts";

type ExecuteValue = string | number | Buffer | TypedParameterValue | null;
type ServerConfig = Extract<DbConfig, { dialect: "mysql" }>;

/** What every connection says first: UTC, no silent truncation, and a snapshot per statement instead of per transaction. */
const SESSION =
  "set session time_zone = '+00:00', " +
  "sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION', " +
  "transaction_isolation = 'READ-COMMITTED'";
const SESSION_MARIADB_10 = SESSION.replace("transaction_isolation", "tx_isolation");

/** Kysely's MySQL dialect on mysql2: prepared statements, and a limit on every wait. */
export function mysqlDialect(config: ServerConfig): MysqlDialect {
  const pool = mysql.createPool({
    host: config.host,
    port: config.port,
    database: config.database,
    user: config.user,
    password: config.password,
    ...(config.ca === undefined ? {} : { ssl: { ca: config.ca, verifyIdentity: true } }),
    charset: "utf8mb4_unicode_520_ci",
    timezone: "Z",
    dateStrings: true,
    connectionLimit: config.pool_size,
    connectTimeout: config.timeout_ms,
    enableKeepAlive: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
  });
  return new MysqlDialect({ pool: new LimitedPool(pool, config.timeout_ms) });
}

class LimitedPool implements MysqlPool {
  readonly #pool: Pool;
  readonly #timeout: number;
  readonly #prepared = new WeakSet<PoolConnection>();

  constructor(pool: Pool, timeout: number) {
    this.#pool = pool;
    this.#timeout = timeout;
  }

  getConnection(callback: (error: unknown, connection: MysqlPoolConnection) => void): void {
    this.#take().then(
      (connection) => callback(null, connection),
      // Kysely reads no connection where there is an error.
      (error: unknown) => (callback as (error: unknown) => void)(error),
    );
  }

  end(callback: (error: unknown) => void): void {
    this.#pool.end(callback);
  }

  async #take(): Promise<MysqlPoolConnection> {
    const connection = await this.#wait();
    const limited = new LimitedConnection(connection, this.#timeout);
    if (!this.#prepared.has(connection)) {
      try {
        await limited.begin();
      } catch (error) {
        connection.destroy();
        throw error;
      }
      this.#prepared.add(connection);
    }
    return limited;
  }

  #wait(): Promise<PoolConnection> {
    return new Promise((resolve, reject) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        reject(new AppError("UNAVAILABLE", `database: no connection within ${this.#timeout} ms`));
      }, this.#timeout);
      this.#pool.getConnection((error, connection) => {
        clearTimeout(timer);
        if (error !== null) reject(translateFault(error));
        else if (late) connection.release();
        else resolve(connection);
      });
    });
  }
}

/** One use of a pooled connection. */
class LimitedConnection implements MysqlPoolConnection {
  readonly #connection: PoolConnection;
  readonly #timeout: number;

  constructor(connection: PoolConnection, timeout: number) {
    this.#connection = connection;
    this.#timeout = timeout;
  }

  get config(): object {
    return this.#connection.config;
  }

  get threadId(): number {
    return this.#connection.threadId;
  }

  async begin(): Promise<void> {
    const version = await this.#run("select version() as version", []);
    const text = Array.isArray(version) ? String(version[0]?.["version"]) : "";
    await this.#run(/^10\..*MariaDB/.test(text) ? SESSION_MARIADB_10 : SESSION, []);
  }

  query(
    sql: string,
    parameters: readonly unknown[],
    callback?: (error: unknown, result: MysqlQueryResult) => void,
  ): { stream: () => never } {
    this.#run(sql, parameters).then(
      (result) => callback?.(null, result),
      (error: unknown) => (callback as ((error: unknown) => void) | undefined)?.(error),
    );
    return {
      stream: () => {
        throw new Error("streaming is not used");
      },
    };
  }

  release(): void {
    this.#connection.release();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  connect(): never {
    throw new Error("a pooled connection is connected");
  }

  #run(sql: string, parameters: readonly unknown[]): Promise<MysqlQueryResult> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        // The answer to a late statement would be taken for that of the next one: the connection goes.
        this.#connection.destroy();
        reject(new AppError("UNAVAILABLE", `database: no answer within ${this.#timeout} ms`));
      }, this.#timeout);
      const done = (error: Error | null, result: unknown): void => {
        clearTimeout(timer);
        if (error !== null) reject(translateFault(error));
        else resolve(result as MysqlQueryResult); // rows or an OK packet, which Kysely tells apart
      };
      // BEGIN and most DDL cannot be prepared on MySQL; they are the statements without parameters.
      if (parameters.length === 0) this.#connection.query(sql, done);
      else this.#connection.execute(sql, parameters.map(toInput), done);
    });
  }
}

function toInput(value: unknown): ExecuteValue {
  if (value === null || typeof value === "string" || typeof value === "number") return value;
  // Bound as text, a bigint would be compared as a rounded float: two token ids could be the same.
  if (typeof value === "bigint") return mysql.TypedParameter.BIGINT(value);
  if (value instanceof Uint8Array) return Buffer.from(value);
  throw new TypeError(`cannot bind a ${typeof value}`);
}
