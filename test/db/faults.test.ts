import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import { sql } from "kysely";
import { type Database, openDatabase } from "../../src/db/database.ts";
import {
  isContention,
  isTooManyConnections,
  isDuplicate,
  needsOperator,
  translateError,
} from "../../src/db/faults.ts";
import { SERVER_ERRORS } from "../../src/db/server-errors.ts";
import { AppError } from "../../src/errors.ts";
import { createDatabase, dropDatabase } from "../support/database.ts";

const NO_STATE = "HY000";

/** Error number, SQLSTATE and text, as MySQL and MariaDB send them. */
const UNAVAILABLE = [
  [1040, "08004", "Too many connections"],
  [1047, "08S01", "WSREP has not yet prepared node for application use"],
  [1053, "08S01", "Server shutdown in progress"],
  [1159, "08S01", "Got timeout reading communication packets"],
  [1290, NO_STATE, "The server is running with the --read-only option so it cannot execute this statement"],
  [1792, "25006", "Cannot execute statement in a READ ONLY transaction"],
  [1836, NO_STATE, "Running in read-only mode"],
  [1874, NO_STATE, "InnoDB is in read only mode"],
  [3032, NO_STATE, "The server is currently in offline mode"],
  [3100, NO_STATE, "Error on observer while running replication hook 'before_commit'"],
  [1243, NO_STATE, "Unknown prepared statement handler (1) given to mysqld_stmt_execute"],
  [9001, NO_STATE, "Max connect timeout reached while reaching hostgroup 0"],
  [1317, "70100", "Query execution was interrupted"],
  [1927, "70100", "Connection was killed"],
  [1969, "70100", "Query execution was interrupted (max_statement_time exceeded)"],
  [3024, NO_STATE, "Query execution was interrupted, maximum statement execution time exceeded"],
  [1021, NO_STATE, "Disk full (/tmp); waiting for someone to free some space"],
  [1114, NO_STATE, "The table 'user' is full"],
  [20, NO_STATE, "Disk is full writing './authmq/user.ibd' (Errcode: 28)"],
  [1180, NO_STATE, "Got error 28 during COMMIT"],
  [1203, "42000", "User already has more than 'max_user_connections' active connections"],
  [1226, "42000", "User has exceeded the 'max_user_connections' resource (current value: 1)"],
  [1129, NO_STATE, "Host is blocked because of many connection errors"],
  [1045, "28000", "Access denied for user (using password: YES)"],
  [1049, "42000", "Unknown database"],
  [1142, "42000", "SELECT command denied to user for table 'user'"],
  [1461, "42000", "Can't create more than max_prepared_stmt_count statements (current value: 16382)"],
  [1104, "42000", "The SELECT would examine more than MAX_JOIN_SIZE rows"],
  [1153, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes"],
  [1419, NO_STATE, "You do not have the SUPER privilege and binary logging is enabled"],
  [5555, NO_STATE, "Something that a later server says"],
  [1146, "42S02", "Table 'user' doesn't exist"],
] as const;

const CONTENTION = [
  [1205, NO_STATE, "Lock wait timeout exceeded; try restarting transaction"],
  [1213, "40001", "Deadlock found when trying to get lock; try restarting transaction"],
  [1020, NO_STATE, "Record has changed since last read in table 'user'"],
  [3101, "40000", "Plugin instructed the server to rollback the current transaction."],
  [1180, NO_STATE, "Got error 149 - 'Lock deadlock; Retry transaction' during COMMIT"],
  [1615, NO_STATE, "Prepared statement needs to be re-prepared"],
  [3572, NO_STATE, "Statement aborted because lock(s) could not be acquired immediately and NOWAIT is set."],
  [1637, NO_STATE, "Too many active concurrent transactions"],
] as const;

const STATEMENT_ERRORS = [
  [1062, "23000", "Duplicate entry"],
  [1054, "42S22", "Unknown column 'validated_at' in 'field list'"],
  [1064, "42000", "You have an error in your SQL syntax"],
  [1406, "22001", "Data too long for column 'ip'"],
  [1048, "23000", "Column 'email' cannot be null"],
  [1364, NO_STATE, "Field 'email' doesn't have a default value"],
  [1366, NO_STATE, "Incorrect string value for column 'username'"],
  [3819, NO_STATE, "Check constraint 'user_chk_1' is violated."],
  [4025, "23000", "CONSTRAINT `user.auth_type` failed"],
  [1235, "42000", "This version doesn't yet support this"],
  [1644, "45000", "An administrator's trigger refuses the row"],
] as const;

describe("an error of the server", () => {
  let db: Database;
  let database: string;
  before(async () => {
    const address = await createDatabase();
    ({ database } = address);
    db = openDatabase({
      dialect: "mysql",
      ...address,
      tls: false,
      ca: undefined,
      verify_host: true,
      pool_size: 2,
      timeout_ms: 8000,
    });
  });
  after(async () => {
    await db.destroy();
    await dropDatabase(database);
  });

  /** Returns the error that is thrown when the server answers a statement with this error. */
  const cause = async ([number, state, text]: readonly [number, string, string]): Promise<unknown> => {
    const signal = `signal sqlstate '${state}' set mysql_errno = ${number}, message_text = "${text}"`;
    return sql
      .raw(signal)
      .execute(db)
      .then(
        () => assert.fail("no error"),
        (error: unknown) => error,
      );
  };

  for (const row of UNAVAILABLE) {
    test(`${row[0]}, ${row[2]}, is UNAVAILABLE and not retried`, async () => {
      const error = await cause(row);
      assert.ok(error instanceof AppError && error.code === "UNAVAILABLE", String(error));
      assert.ok(error.message.includes(row[2]), error.message);
      assert.equal(isContention(error), false);
      assert.equal(needsOperator(error), [1045, 1049, 1142, 1146].includes(row[0]));
      assert.equal(isTooManyConnections(error), [1040, 1203, 1226].includes(row[0]));
    });
  }

  for (const row of CONTENTION) {
    test(`${row[0]}, ${row[2]}, may be retried, and is UNAVAILABLE without a retry`, async () => {
      const error = await cause(row);
      assert.ok(error instanceof AppError && error.code === "UNAVAILABLE", String(error));
      assert.equal(isContention(error), true);
    });
  }

  for (const row of STATEMENT_ERRORS) {
    test(`${row[0]}, ${row[2]}, is an error of the statement`, async () => {
      const error = await cause(row);
      assert.ok(error instanceof Error && !(error instanceof AppError), String(error));
      assert.equal(isContention(error), false);
      assert.equal(isDuplicate(error), row[0] === 1062);
    });
  }

  /** Classes that the caller handles, or that are bugs of this program. */
  const isForCaller = (kind: string): boolean =>
    ["duplicate", "missingReference", "existing", "statement"].includes(kind);

  for (const [kind, errors] of Object.entries(SERVER_ERRORS)) {
    test(`each of the class ${kind} is ${isForCaller(kind) ? "left to the caller" : "UNAVAILABLE"}`, async () => {
      for (const [number, name] of Object.entries<string>(errors)) {
        const error = await cause([Number(number), NO_STATE, name]);
        const isUnavailable = error instanceof AppError && error.code === "UNAVAILABLE";
        assert.equal(isUnavailable, !isForCaller(kind), `${number} ${name}: ${String(error)}`);
        assert.equal(isContention(error), kind === "conflict", `${number} ${name}`);
        assert.equal(isDuplicate(error), kind === "duplicate", `${number} ${name}`);
      }
    });
  }

  test("keeps the connection if the statement caused it, and closes it otherwise", async () => {
    const [{ id } = { id: 0 }] = (await sql<{ id: number }>`select connection_id() as id`.execute(db)).rows;
    await cause([1062, "23000", "Duplicate entry"]);
    const { rows } = await sql<{ id: number }>`select connection_id() as id`.execute(db);
    assert.equal(rows[0]?.id, id);
    await cause([1836, NO_STATE, "Running in read-only mode"]);
    const later = await sql<{ id: number }>`select connection_id() as id`.execute(db);
    assert.notEqual(later.rows[0]?.id, id);
  });
});

describe("the table of server errors", () => {
  const errors = Object.values(SERVER_ERRORS).flatMap((list) => Object.entries<string>(list));

  test("contains each number once", () => {
    const numbers = errors.map(([number]) => number);
    assert.deepEqual(numbers, [...new Set(numbers)]);
  });

  const { error: missing, stdout: listed } = spawnSync("perror", ["1062"]);
  const skip =
    missing === undefined && listed.includes("ER_DUP_ENTRY")
      ? false
      : "no perror of MariaDB or MySQL is installed";

  test("uses the names of the server's own list", { skip }, () => {
    const printed = spawnSync("perror", [...errors.map(([number]) => number)]).stdout.toString();
    const names = new Map(
      Array.from(printed.matchAll(/code (?:MY-0*)?(\d+) \((?:OBSOLETE_)?(\w+)\)/g), ([, number, name]) => [
        number,
        name,
      ]),
    );
    // From 1900 on, the numbers of the two products differ.
    const shared = errors.filter(([number]) => Number(number) < 1880);
    assert.ok(shared.length > 80, `${shared.length} errors`);
    for (const [number, name] of shared) assert.equal(names.get(number), name, number);
  });
});

describe("an error of SQLite", () => {
  const cause = (errcode: number, message: string): unknown =>
    translateError(Object.assign(new Error(message), { code: "ERR_SQLITE_ERROR", errcode }));

  /** Result code and text, as SQLite returns them. */
  const UNAVAILABLE_CODES = [
    [3, "access permission denied"],
    [7, "out of memory"],
    [8, "attempt to write a readonly database"],
    [9, "interrupted"],
    [10, "disk I/O error"],
    [778, "disk I/O error"],
    [11, "database disk image is malformed"],
    [13, "database or disk is full"],
    [14, "unable to open database file"],
    [15, "locking protocol"],
    [22, "large file support is disabled"],
    [26, "file is not a database"],
    [1, "no such table: user"],
  ] as const;

  for (const [code, text] of UNAVAILABLE_CODES) {
    test(`${code}, ${text}, is UNAVAILABLE and not retried`, () => {
      const error = cause(code, text);
      assert.ok(error instanceof AppError && error.code === "UNAVAILABLE", String(error));
      assert.equal(isContention(error), false);
    });
  }

  for (const [code, text] of [
    [5, "database is locked"],
    [517, "database is locked"],
    [6, "database table is locked"],
    [17, "database schema has changed"],
  ] as const) {
    test(`${code}, ${text}, may be retried`, () => {
      assert.equal(isContention(cause(code, text)), true);
    });
  }

  for (const [code, text] of [
    [1, "no such column: nickname"],
    [1299, "NOT NULL constraint failed: user.email"],
    [18, "string or blob too big"],
    [25, "column index out of range"],
  ] as const) {
    test(`${code}, ${text}, is an error of the statement`, () => {
      const error = cause(code, text);
      assert.ok(!(error instanceof AppError), String(error));
    });
  }

  test("of Node about a value that cannot be bound stays unchanged", () => {
    using database = new DatabaseSync(":memory:");
    // @ts-expect-error -- what the types forbid
    const bind = (): unknown => database.prepare("select ?").get(Symbol("no value"));
    assert.throws(bind, (error: unknown) => translateError(error) === error);
  });
});
