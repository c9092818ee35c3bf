import { AsyncLocalStorage } from "node:async_hooks";
import type {
  CompiledQuery,
  DatabaseConnection,
  Dialect,
  Driver,
  QueryResult,
  TransactionSettings,
} from "kysely";
import { isContention } from "./faults.ts";
import { RETRY_LIMIT, withRetry } from "./transaction.ts";

const READ = /^\s*select\b/i;

/** Deadline of retried reads, by `performance.now()`. */
const deadlines = new AsyncLocalStorage<number>();

/** Runs `work`; its reads that fail on a lock are retried until `deadline`, by `performance.now()`. */
export function readingUntil<T>(deadline: number, work: () => T): T {
  return deadlines.run(deadline, work);
}

/** The deadline of retried reads here, by `performance.now()`. */
export function readDeadline(): number {
  return deadlines.getStore() ?? performance.now() + RETRY_LIMIT;
}

/** Wraps a dialect: reads that fail on a lock are retried, as `inTransaction` does for transactions. */
export function retryingReads(dialect: Dialect): Dialect {
  return {
    createDriver: () => new ReadRetryingDriver(dialect.createDriver()),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
  };
}

class ReadRetryingDriver implements Driver {
  readonly #driver: Driver;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  init(): Promise<void> {
    return this.#driver.init();
  }

  async acquireConnection(): Promise<ReadRetryingConnection> {
    return new ReadRetryingConnection(await this.#driver.acquireConnection());
  }

  async beginTransaction(connection: ReadRetryingConnection, settings: TransactionSettings): Promise<void> {
    // Only `inTransaction` retries in a transaction, as a whole: earlier reads may be outdated.
    connection.isInTransaction = true;
    await this.#driver.beginTransaction(connection.inner, settings);
  }

  commitTransaction({ inner }: ReadRetryingConnection): Promise<void> {
    return this.#driver.commitTransaction(inner);
  }

  rollbackTransaction({ inner }: ReadRetryingConnection): Promise<void> {
    return this.#driver.rollbackTransaction(inner);
  }

  releaseConnection({ inner }: ReadRetryingConnection): Promise<void> {
    return this.#driver.releaseConnection(inner);
  }

  destroy(): Promise<void> {
    return this.#driver.destroy();
  }
}

/** One use of a connection, with at most one transaction. */
class ReadRetryingConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection;
  isInTransaction = false;

  constructor(inner: DatabaseConnection) {
    this.inner = inner;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    try {
      return await this.inner.executeQuery<R>(query);
    } catch (error) {
      if (this.isInTransaction || !isContention(error) || !READ.test(query.sql)) throw error;
      return withRetry(() => this.inner.executeQuery<R>(query), readDeadline() - performance.now());
    }
  }

  streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    return this.inner.streamQuery(query, chunkSize);
  }
}
