import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createDatabase, dropDatabase } from "../support/database.ts";
import { waitUntil } from "../support/servers/scratch.ts";

/** A computation of 30 seconds or more, which MySQL and MariaDB can interrupt. */
const SLOW = "benchmark(200000000, sha2('x', 256))";

let address: Awaited<ReturnType<typeof createDatabase>>;
const open = (): Database =>
  openDatabase({
    dialect: "mysql",
    ...address,
    tls: false,
    ca: undefined,
    verify_host: true,
    pool_size: 2,
    timeout_ms: 1500,
  });

before(async () => {
  address = await createDatabase();
  const { host, port, user, password, database } = address;
  await migrate({
    ...{ dialect: "mysql", host, port, user, password, database },
    ...{ tls: false, ca: undefined, verify_host: true, pool_size: 2, timeout_ms: 8000 },
  });
  await using db = open();
  await db
    .insertInto("user")
    .values({ username: "alice", auth_type: "LOCAL", email: "old@example.com" } as never)
    .execute();
});
after(() => dropDatabase(address.database));

/** The test's statements that the server executes now. */
async function running(): Promise<string[]> {
  const connection = await createConnection(address);
  try {
    const [rows] = await connection.query<RowDataPacket[]>("show full processlist");
    return rows
      .filter(({ db, Info }) => db === address.database && String(Info).includes("benchmark("))
      .map(({ Info }) => String(Info));
  } finally {
    await connection.end();
  }
}

/** Runs a slow write on a connection without MariaDB's statement time limit; MySQL has none for writes. */
async function writeSlowly(db: Database): Promise<void> {
  await db.connection().execute(async (connection) => {
    await sql.raw("/*M! set session max_statement_time = 0 */ -- MariaDB alone").execute(connection);
    await sql
      .raw(`update user set email = concat('new', ${SLOW}) where username = 'alice'`)
      .execute(connection);
  });
}

async function emailNow(): Promise<string | null | undefined> {
  await using db = open();
  return (await db.selectFrom("user").select("email").executeTakeFirst())?.email;
}

test("a write that timed out is cancelled on the server and never committed", async () => {
  await using db = open();
  await assert.rejects(writeSlowly(db), { code: "UNAVAILABLE", message: /no answer within/ });
  await waitUntil("the end of the statement", async () => (await running()).length === 0, { seconds: 8 });
  assert.equal(await emailNow(), "old@example.com");
});

test("a write that runs when the database is closed is cancelled on the server", async () => {
  const db = open();
  const writing = writeSlowly(db);
  const refused = assert.rejects(writing, { code: "UNAVAILABLE" });
  await waitUntil("the statement", async () => (await running()).length === 1);
  await db.destroy();
  await refused;
  await waitUntil("the end of the statement", async () => (await running()).length === 0, { seconds: 8 });
  assert.equal(await emailNow(), "old@example.com");
});

test("other connections of the same user keep working while one is killed", async () => {
  await using db = open();
  await using other = open();
  const held = other.connection().execute(async (connection) => {
    const id = async () =>
      (await sql<{ id: number }>`select connection_id() as id`.execute(connection)).rows[0]?.id;
    const first = await id();
    await assert.rejects(writeSlowly(db), { code: "UNAVAILABLE" });
    await waitUntil("the end of the statement", async () => (await running()).length === 0, { seconds: 8 });
    return [first, await id()];
  });
  const [first, second] = await held;
  assert.equal(second, first);
});
