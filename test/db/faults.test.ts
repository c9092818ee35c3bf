import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { sql } from "kysely";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { isContention, isCrowded, isDuplicate, isOperatorFault } from "../../src/db/faults.ts";
import { AppError } from "../../src/errors.ts";
import { createDatabase, dropDatabase } from "../support/env.ts";

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
  [1146, "42S02", "Table 'user' doesn't exist"],
] as const;

const CONTENTION = [
  [1205, NO_STATE, "Lock wait timeout exceeded; try restarting transaction"],
  [1213, "40001", "Deadlock found when trying to get lock; try restarting transaction"],
  [1020, NO_STATE, "Record has changed since last read in table 'user'"],
  [3101, "40000", "Plugin instructed the server to rollback the current transaction."],
  [1180, NO_STATE, "Got error 149 - 'Lock deadlock; Retry transaction' during COMMIT"],
  [1615, NO_STATE, "Prepared statement needs to be re-prepared"],
] as const;

const REFUSALS = [
  [1062, "23000", "Duplicate entry"],
  [1054, "42S22", "Unknown column 'validated_at' in 'field list'"],
  [1064, "42000", "You have an error in your SQL syntax"],
  [1406, "22001", "Data too long for column 'ip'"],
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
      pool_size: 2,
      timeout_ms: 1500,
    });
  });
  after(async () => {
    await db.destroy();
    await dropDatabase(database);
  });

  /** What is thrown when the server answers a statement with this error. */
  const meet = async ([number, state, text]: readonly [number, string, string]): Promise<unknown> => {
    const signal = `signal sqlstate '${state}' set mysql_errno = ${number}, message_text = "${text}"`;
    return sql
      .raw(`begin not atomic ${signal}; end`)
      .execute(db)
      .then(
        () => assert.fail("no error"),
        (error: unknown) => error,
      );
  };

  for (const row of UNAVAILABLE) {
    test(`${row[0]}, ${row[2]}, is UNAVAILABLE and not repeated`, async () => {
      const error = await meet(row);
      assert.ok(error instanceof AppError && error.code === "UNAVAILABLE", String(error));
      assert.ok(error.message.includes(row[2]), error.message);
      assert.equal(isContention(error), false);
      assert.equal(isOperatorFault(error), [1045, 1049, 1142, 1146].includes(row[0]));
      assert.equal(isCrowded(error), [1040, 1203, 1226].includes(row[0]));
    });
  }

  for (const row of CONTENTION) {
    test(`${row[0]}, ${row[2]}, may be repeated, and is UNAVAILABLE where nobody does`, async () => {
      const error = await meet(row);
      assert.ok(error instanceof AppError && error.code === "UNAVAILABLE", String(error));
      assert.equal(isContention(error), true);
    });
  }

  for (const row of REFUSALS) {
    test(`${row[0]}, ${row[2]}, is the statement's own fault`, async () => {
      const error = await meet(row);
      assert.ok(error instanceof Error && !(error instanceof AppError));
      assert.equal(isContention(error), false);
      assert.equal(isDuplicate(error), row[0] === 1062);
    });
  }

  test("that is none leaves the pool as it was", async () => {
    const [{ id } = { id: 0 }] = (await sql<{ id: number }>`select connection_id() as id`.execute(db)).rows;
    await meet([1062, "23000", "Duplicate entry"]);
    const { rows } = await sql<{ id: number }>`select connection_id() as id`.execute(db);
    assert.equal(rows[0]?.id, id);
    await meet([1836, NO_STATE, "Running in read-only mode"]);
    const later = await sql<{ id: number }>`select connection_id() as id`.execute(db);
    assert.notEqual(later.rows[0]?.id, id);
  });
});
