import { randomBytes } from "node:crypto";
import { createConnection } from "mysql2/promise";
import { readRunVariable } from "./run-environment.ts";
import type { DatabaseAddress } from "./servers/database-address.ts";

/** The database server of this run. The runner starts it for test files that import this module, directly or indirectly. */
const server = JSON.parse(readRunVariable("AUTHMQ_TEST_DATABASE")) as DatabaseAddress;

/** Its process id; undefined in a container. */
export const databasePid = Number(readRunVariable("AUTHMQ_TEST_DATABASE_PID")) || undefined;

/** Creates an empty database for a test file and returns its connection settings. */
export async function createDatabase(): Promise<DatabaseAddress & { database: string }> {
  const database = `authmq_${randomBytes(6).toString("hex")}`;
  await execute(`create database ${database}`);
  return { ...server, database };
}

/** Drops a database, if it exists. */
export async function dropDatabase(database: string): Promise<void> {
  await execute(`drop database if exists ${database}`);
}

async function execute(statement: string): Promise<void> {
  const connection = await createConnection(server);
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}
