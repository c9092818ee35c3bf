import { randomBytes } from "node:crypto";
import { createConnection } from "mysql2/promise";
import type { MariaDbAddress } from "./servers/mariadb.ts";

/** Where the servers of this run are; `npm test` sets it up. */
export const amqpUrl = read("AUTHMQ_TEST_AMQP_URL");
const managementUrl = new URL("/", read("AUTHMQ_TEST_MANAGEMENT_URL")).origin;
const mysql = JSON.parse(read("AUTHMQ_TEST_MYSQL")) as MariaDbAddress;
/** The servers' processes, where they run as processes here. */
export const serverPids = JSON.parse(read("AUTHMQ_TEST_PIDS")) as { rabbitmq?: number; mariadb?: number };
/** A folder that goes with the run. */
export const scratchFolder = read("AUTHMQ_TEST_SCRATCH");

const { username, password } = new URL(read("AUTHMQ_TEST_MANAGEMENT_URL"));
const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

/** Asks RabbitMQ's management API; `path` starts behind `/api/`. Throws on any answer but success. */
export async function callManagement(method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${managementUrl}/api/${path}`, {
    method,
    headers: { authorization, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

/** Makes a virtual host of its own for a test file and gives its AMQP address. */
export async function createVhost(name = uniqueName()): Promise<{ name: string; url: string }> {
  const path = encodeURIComponent(name);
  await callManagement("PUT", `vhosts/${path}`);
  await callManagement("PUT", `permissions/${path}/${username}`, {
    configure: ".*",
    write: ".*",
    read: ".*",
  });
  return { name, url: `${amqpUrl}/${path}` };
}

/** Removes a virtual host with all its queues; the broker closes the connections to it. */
export async function deleteVhost(name: string): Promise<void> {
  await callManagement("DELETE", `vhosts/${encodeURIComponent(name)}`);
}

/** Makes an empty database for a test file and gives all that a connection needs. */
export async function createDatabase(): Promise<MariaDbAddress & { database: string }> {
  const database = uniqueName();
  await execute(`create database ${database}`);
  return { ...mysql, database };
}

export async function dropDatabase(database: string): Promise<void> {
  await execute(`drop database if exists ${database}`);
}

async function execute(statement: string): Promise<void> {
  const connection = await createConnection(mysql);
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}

function uniqueName(): string {
  return `authmq_${randomBytes(6).toString("hex")}`;
}

function read(name: string): string {
  const value = process.env[name];
  if (value !== undefined) return value;
  const file = process.argv[1]?.replace(`${process.cwd()}/`, "") ?? "test/...";
  Error.stackTraceLimit = 0; // the reader needs the one line, not the way to it
  throw new Error(`This test needs the servers of a test run. Run it with: make test FILES=${file}`);
}
