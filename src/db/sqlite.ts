import { statSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import {
  type Kysely,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDialect,
  type SqliteStatement,
  sql,
} from "kysely";
import { AppError } from "../errors.ts";
import { tracedSync } from "../observability/tracing.ts";
import { isContention, translateError } from "./faults.ts";
import { MIGRATION_TABLE } from "./migration-table.ts";
import { statementSpan } from "./statement-span.ts";
import { withRetry } from "./transaction.ts";

/** Size of the cache of prepared statements: larger than the number of statements that authmq has. */
const MAX_STATEMENTS = 200;

/** Waiting for a lock blocks the process: the length of a wait, and the pause until the next one, in milliseconds. */
const LOCK_WAIT = 5;
const LOCK_PAUSE = 45;

/** Kysely's SQLite dialect on node:sqlite, for one file that several processes may share. */
export function sqliteDialect({ file }: { file: string }): SqliteDialect {
  // Another process may hold the file for a moment: the last one that closes it writes the log into it.
  return new EmbeddedDialect({ database: () => withRetry(async () => openFile(file)) });
}

class EmbeddedDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new EmbeddedAdapter();
  }
}

/** Holds the file's write lock during migrations: with Kysely's adapter, two processes could migrate at once. */
class EmbeddedAdapter extends SqliteAdapter {
  #isLocked = false;

  override async acquireMigrationLock(db: Kysely<unknown>): Promise<void> {
    await sql`begin immediate`.execute(db);
    this.#isLocked = true;
  }

  override async releaseMigrationLock(db: Kysely<unknown>): Promise<void> {
    // Kysely also releases a lock that it did not get. A failed commit must not hide that the file was busy.
    if (!this.#isLocked) return;
    this.#isLocked = false;
    await sql`commit`.execute(db);
  }
}

function openFile(file: string): SqliteDatabase {
  return translating(() => {
    const database = new DatabaseSync(file, { timeout: 0, readBigInts: true });
    try {
      // WAL: readers do not wait for a writer. FULL: a commit survives a power cut. The file keeps the journal mode, so
      // set it only if the file does not belong to another application.
      const pragmas = ["synchronous = full", "foreign_keys = on"];
      if (isOwn(database)) pragmas.unshift("journal_mode = wal");
      for (const pragma of pragmas) database.exec(`pragma ${pragma}`);
    } catch (error) {
      database.close(); // the next statement opens it again
      throw error;
    }
    return new StatementCache(database, file);
  });
}

/** Whether a file is empty or was migrated by authmq. */
function isOwn(database: DatabaseSync): boolean {
  const has = (query: string): boolean => database.prepare(query).get() !== undefined;
  if (!has("select 1 from sqlite_master")) return true;
  return (
    has(`select 1 from sqlite_master where name = '${MIGRATION_TABLE}'`) &&
    has(`select 1 from ${MIGRATION_TABLE} limit 1`)
  );
}

/**
 * Waits for locks of other processes, which are mostly held for the milliseconds of a commit. Callers retry writes
 * without blocking the process, so all writers together block it for at most a tenth of the time. Reads are not
 * limited: they rarely meet a lock (crash recovery, last checkpoint).
 */
class LockWait {
  static readonly #clock = new Int32Array(new SharedArrayBuffer(4));
  #nextWaitAt = 0;

  run<T>(kind: "read" | "write", call: () => T): T {
    for (let waited = 0; ; waited++) {
      try {
        return call();
      } catch (error) {
        const mayWait = kind === "read" || performance.now() >= this.#nextWaitAt;
        if (!isContention(error) || !mayWait || waited >= LOCK_WAIT) throw error;
        Atomics.wait(LockWait.#clock, 0, 0, 1);
        if (waited + 1 >= LOCK_WAIT) this.#nextWaitAt = performance.now() + LOCK_PAUSE;
      }
    }
  }
}

class StatementCache implements SqliteDatabase {
  readonly #database: DatabaseSync;
  readonly #file: string;
  readonly #identity: string;
  readonly #lockWait = new LockWait();
  readonly #statements = new Map<string, SqliteStatement>();

  constructor(database: DatabaseSync, file: string) {
    this.#database = database;
    this.#file = file;
    this.#identity = identityOf(file);
  }

  prepare(text: string): SqliteStatement {
    if (!this.#database.isTransaction) {
      // A full disk has already ended the transaction, and the caller must see that error.
      if (text === "rollback") return NOTHING;
      this.#assertInPlace();
    }
    // A deferred transaction that reads first fails when it writes after another process has written
    // (SQLITE_BUSY_SNAPSHOT). Every transaction here writes, so each takes the lock first.
    const source = text === "begin" ? "begin immediate" : text;
    const known = this.#statements.get(source);
    if (known !== undefined) return known;
    const prepared = translating(() =>
      this.#lockWait.run(
        "read",
        () => new PreparedStatement(source, this.#database.prepare(source), this.#lockWait),
      ),
    );
    if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
    this.#statements.set(source, prepared);
    return prepared;
  }

  close(): void {
    this.#database.close();
  }

  /**
   * Rejects a file that was removed or replaced: SQLite would keep writing to it, and lose the data with this process.
   */
  #assertInPlace(): void {
    if (identityOf(this.#file) === this.#identity) return;
    throw new AppError(
      "UNAVAILABLE",
      `database: ${this.#file} was removed or replaced: put it back, or restart the worker`,
    );
  }
}

const NOTHING: SqliteStatement = {
  reader: false,
  all: () => [],
  run: () => ({ changes: 0, lastInsertRowid: 0 }),
  iterate: () => [].values(),
};

class PreparedStatement implements SqliteStatement {
  readonly #source: string;
  readonly #statement: StatementSync;
  readonly #lockWait: LockWait;
  readonly reader: boolean;

  constructor(source: string, statement: StatementSync, lockWait: LockWait) {
    this.#source = source;
    this.#statement = statement;
    this.#lockWait = lockWait;
    this.reader = statement.columns().length > 0;
  }

  all(parameters: readonly unknown[]): unknown[] {
    const inputs = parameters.map(toInput);
    return this.#traced(() => this.#lockWait.run("read", () => this.#statement.all(...inputs)).map(fromRow));
  }

  run(parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint } {
    const inputs = parameters.map(toInput);
    return this.#traced(() => this.#lockWait.run("write", () => this.#statement.run(...inputs)));
  }

  *iterate(parameters: readonly unknown[]): IterableIterator<unknown> {
    yield* this.all(parameters);
  }

  #traced<T>(work: () => T): T {
    return tracedSync(
      () => statementSpan("sqlite", this.#source),
      () => translating(work),
    );
  }
}

/** Device and inode of the file with this name. */
function identityOf(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? "" : `${stats.dev}:${stats.ino}`;
}

/** Columns with ids of `createRowId`. */
const ROW_IDS: ReadonlySet<string> = new Set(["token_id", "api_key_id", "factor_id"]);

function toInput(value: unknown): SQLInputValue {
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "bigint")
    return value;
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`cannot bind a ${typeof value}`);
}

/** Converts integers to numbers, as MySQL returns them. An id that does not fit in a number stays a bigint. */
function fromRow(row: Record<string, unknown>): Record<string, unknown> {
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === "bigint" && !ROW_IDS.has(name)) row[name] = Number(value);
  }
  return row;
}

function translating<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw translateError(error);
  }
}
