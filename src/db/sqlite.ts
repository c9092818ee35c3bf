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
import { isContention, translateFault } from "./faults.ts";
import { MIGRATION_TABLE } from "./migration-table.ts";
import { statementSpan } from "./statement-span.ts";

/** Statements that stay prepared: more than the project has, so that only generated ones could push one out. */
const STATEMENTS = 200;

/** A wait for a lock stops the whole process: milliseconds of one such wait, and of the time until the next. */
const LOCK_WAIT = 5;
const LOCK_REST = 45;

/** Kysely's SQLite dialect on node:sqlite, one file, safe for several processes. */
export function sqliteDialect({ file }: { file: string }): SqliteDialect {
  return new EmbeddedDialect({ database: async () => openFile(file) });
}

class EmbeddedDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new EmbeddedAdapter();
  }
}

/** Holds the file's write lock while migrations run: Kysely's own adapter lets two processes migrate at once. */
class EmbeddedAdapter extends SqliteAdapter {
  #isLocked = false;

  override async acquireMigrationLock(db: Kysely<unknown>): Promise<void> {
    await sql`begin immediate`.execute(db);
    this.#isLocked = true;
  }

  override async releaseMigrationLock(db: Kysely<unknown>): Promise<void> {
    // Kysely releases also what it did not get; that the file was busy must not be hidden by the error of a commit.
    if (!this.#isLocked) return;
    this.#isLocked = false;
    await sql`commit`.execute(db);
  }
}

function openFile(file: string): SqliteDatabase {
  return translating(() => {
    const database = new DatabaseSync(file, { timeout: 0, readBigInts: true });
    try {
      // WAL lets readers go on while one writes; FULL makes a commit survive a power cut. The journal mode is kept in the
      // file, so it is not set before it is clear that the file is not another application's.
      const pragmas = ["synchronous = full", "foreign_keys = on"];
      if (isOwn(database)) pragmas.unshift("journal_mode = wal");
      for (const pragma of pragmas) database.exec(`pragma ${pragma}`);
    } catch (error) {
      database.close(); // it is opened again at the next statement
      throw error;
    }
    return new StatementCache(database, file);
  });
}

/** Whether a file is empty, or was migrated by this application. */
function isOwn(database: DatabaseSync): boolean {
  const has = (query: string): boolean => database.prepare(query).get() !== undefined;
  if (!has("select 1 from sqlite_master")) return true;
  return (
    has(`select 1 from sqlite_master where name = '${MIGRATION_TABLE}'`) &&
    has(`select 1 from ${MIGRATION_TABLE} limit 1`)
  );
}

/**
 * Waits for other processes' locks, which are mostly held for the milliseconds of a commit. What writes is repeated by
 * its caller, without stopping this process: so all writers together wait a tenth of the time at most. What reads is
 * not, and is nearly never in anybody's way: a recovery after a crash, a last checkpoint.
 */
class LockWait {
  static readonly #clock = new Int32Array(new SharedArrayBuffer(4));
  #restedAt = 0;

  run<T>(kind: "read" | "write", call: () => T): T {
    for (let waited = 0; ; waited++) {
      try {
        return call();
      } catch (error) {
        const mayWait = kind === "read" || performance.now() >= this.#restedAt;
        if (!isContention(error) || !mayWait || waited >= LOCK_WAIT) throw error;
        Atomics.wait(LockWait.#clock, 0, 0, 1);
        if (waited + 1 >= LOCK_WAIT) this.#restedAt = performance.now() + LOCK_REST;
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
      // A full disk has ended the transaction already, and that is the error to be told.
      if (text === "rollback") return NOTHING;
      this.#assertInPlace();
    }
    // A deferred transaction that begins with a read and then writes fails at once when another process has
    // written meanwhile (SQLITE_BUSY_SNAPSHOT): every transaction here writes, so each takes the lock first.
    const source = text === "begin" ? "begin immediate" : text;
    const known = this.#statements.get(source);
    if (known !== undefined) return known;
    const made = translating(() =>
      this.#lockWait.run(
        "read",
        () => new PreparedStatement(source, this.#database.prepare(source), this.#lockWait),
      ),
    );
    if (this.#statements.size >= STATEMENTS) this.#statements.clear();
    this.#statements.set(source, made);
    return made;
  }

  close(): void {
    this.#database.close();
  }

  /** SQLite goes on with a file that was removed or replaced, and all that it writes is lost with this process. */
  #assertInPlace(): void {
    if (identityOf(this.#file) === this.#identity) return;
    throw new AppError(
      "UNAVAILABLE",
      `database: ${this.#file} was removed or replaced: put it back, or restart`,
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

/** Which file stands under this name. */
function identityOf(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? "" : `${stats.dev}:${stats.ino}`;
}

function toInput(value: unknown): SQLInputValue {
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "bigint")
    return value;
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`cannot bind a ${typeof value}`);
}

/** Small integers as numbers, as MySQL gives them; a token id does not fit in one and stays a bigint. */
function fromRow(row: Record<string, unknown>): Record<string, unknown> {
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === "bigint" && name !== "token_id") row[name] = Number(value);
  }
  return row;
}

function translating<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw translateFault(error);
  }
}
