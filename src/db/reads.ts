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

/** Until when reads are worth a retry, by `performance.now()`. */
const deadlines = new AsyncLocalStorage<number>();

/** Runs `work`, whose reads are repeated until this moment, by `performance.now()`, while a lock is in their way. */
export function readingUntil<T>(deadline: number, work: () => T): T {
  return deadlines.run(deadline, work);
}

/** Until when reads are repeated here, by `performance.now()`. */
export function readDeadline(): number {
  return deadlines.getStore() ?? performance.now() + RETRY_LIMIT;
}

/** A dialect whose reads are repeated while a lock is in their way, as transactions are by `inTransaction`. */
export function retryingReads(dialect: Dialect): Dialect {
  return {
    createDriver: () => new ReadRepeatingDriver(dialect.createDriver()),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
  };
}

class ReadRepeatingDriver implements Driver {
  readonly #driver: Driver;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  init(): Promise<void> {
    return this.#driver.init();
  }

  async acquireConnection(): Promise<ReadRepeatingConnection> {
    return new ReadRepeatingConnection(await this.#driver.acquireConnection());
  }

  async beginTransaction(connection: ReadRepeatingConnection, settings: TransactionSettings): Promise<void> {
    // A transaction is repeated as a whole: what it has read before may not be true any more.
    connection.isInTransaction = true;
    await this.#driver.beginTransaction(connection.inner, settings);
  }

  commitTransaction({ inner }: ReadRepeatingConnection): Promise<void> {
    return this.#driver.commitTransaction(inner);
  }

  rollbackTransaction({ inner }: ReadRepeatingConnection): Promise<void> {
    return this.#driver.rollbackTransaction(inner);
  }

  releaseConnection({ inner }: ReadRepeatingConnection): Promise<void> {
    return this.#driver.releaseConnection(inner);
  }

  destroy(): Promise<void> {
    return this.#driver.destroy();
  }
}

/** One use of a connection: at most one transaction. */
class ReadRepeatingConnection implements DatabaseConnection {
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
