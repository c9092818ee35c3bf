import { randomBytes } from "node:crypto";
import { createConnection } from "mysql2/promise";
import { readRunVariable } from "./run-environment.ts";
import type { MariaDbAddress } from "./servers/mariadb.ts";

/** The MariaDB of this run. The runner starts it for test files that import this module, directly or indirectly. */
const mariaDb = JSON.parse(readRunVariable("AUTHMQ_TEST_MYSQL")) as MariaDbAddress;

/** Process id of MariaDB; undefined in a container. */
export const mariaDbPid = Number(readRunVariable("AUTHMQ_TEST_MARIADB_PID")) || undefined;

/** Creates an empty database for a test file and returns its connection settings. */
export async function createDatabase(): Promise<MariaDbAddress & { database: string }> {
  const database = `authmq_${randomBytes(6).toString("hex")}`;
  await execute(`create database ${database}`);
  return { ...mariaDb, database };
}

/** Drops a database, if it exists. */
export async function dropDatabase(database: string): Promise<void> {
  await execute(`drop database if exists ${database}`);
}

async function execute(statement: string): Promise<void> {
  const connection = await createConnection(mariaDb);
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}
