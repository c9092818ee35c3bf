import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import {
  type Kysely,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDialect,
  type SqliteStatement,
  sql,
} from "kysely";
import { translateFault } from "./faults.ts";

/** Statements that stay prepared: more than the project has, so that only generated ones could push one out. */
const STATEMENTS = 200;

/** SQLite waits for a lock inside a call and so stops the whole process: it waits briefly, and is asked again. */
const BUSY_TIMEOUT = 50;

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
  override async acquireMigrationLock(db: Kysely<unknown>): Promise<void> {
    await sql`begin immediate`.execute(db);
  }

  override async releaseMigrationLock(db: Kysely<unknown>): Promise<void> {
    await sql`commit`.execute(db);
  }
}

function openFile(file: string): SqliteDatabase {
  return translating(() => {
    const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT, readBigInts: true });
    // WAL lets readers go on while one writes; FULL makes a commit survive a power cut.
    for (const pragma of ["journal_mode = wal", "synchronous = full", "foreign_keys = on"]) {
      database.exec(`pragma ${pragma}`);
    }
    return new StatementCache(database);
  });
}

class StatementCache implements SqliteDatabase {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, SqliteStatement>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  prepare(text: string): SqliteStatement {
    // A deferred transaction that begins with a read and then writes fails at once when another process has
    // written meanwhile (SQLITE_BUSY_SNAPSHOT): every transaction here writes, so each takes the lock first.
    const source = text === "begin" ? "begin immediate" : text;
    const known = this.#statements.get(source);
    if (known !== undefined) return known;
    const made = translating(() => new PreparedStatement(this.#database.prepare(source)));
    if (this.#statements.size >= STATEMENTS) this.#statements.clear();
    this.#statements.set(source, made);
    return made;
  }

  close(): void {
    this.#database.close();
  }
}

class PreparedStatement implements SqliteStatement {
  readonly #statement: StatementSync;
  readonly reader: boolean;

  constructor(statement: StatementSync) {
    this.#statement = statement;
    this.reader = statement.columns().length > 0;
  }

  all(parameters: readonly unknown[]): unknown[] {
    return translating(() => this.#statement.all(...parameters.map(toInput)).map(fromRow));
  }

  run(parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint } {
    return translating(() => this.#statement.run(...parameters.map(toInput)));
  }

  *iterate(parameters: readonly unknown[]): IterableIterator<unknown> {
    yield* this.all(parameters);
  }
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
