import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { sql } from "kysely";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { runningFor } from "../support/lock-waits.ts";
import { createDatabase, dropDatabase } from "../support/database.ts";
import { startProxy } from "../support/proxy.ts";
import { waitUntil } from "../support/servers/scratch.ts";

type Address = Awaited<ReturnType<typeof createDatabase>>;

const BUSY = { name: "AppError", code: "UNAVAILABLE" } as const;

describe("the connection pool", { concurrency: true }, () => {
  let address: Address;
  before(async () => {
    address = await createDatabase();
    await migrate({
      dialect: "mysql",
      ...address,
      tls: false,
      ca: undefined,
      verify_host: true,
      pool_size: 1,
      timeout_ms: 1500,
    });
  });
  after(() => dropDatabase(address.database));

  const open = (timeout_ms: number, port = address.port): Database =>
    openDatabase({
      dialect: "mysql",
      ...address,
      port,
      tls: false,
      ca: undefined,
      verify_host: true,
      pool_size: 1,
      timeout_ms,
    });
  const run = (db: Database, seconds: number) => sql`select sleep(${sql.lit(seconds)})`.execute(db);

  test("counts the wait for a connection towards the first statement's timeout", async () => {
    await using db = open(4000);
    const first = run(db, 2.5);
    await assert.rejects(run(db, 2.5), BUSY);
    await first;
    await run(db, 0);
  });

  test("gives each later statement on an acquired connection its own timeout", async () => {
    await using db = open(3000);
    await db.connection().execute(async (connection) => {
      for (let index = 0; index < 3; index++) await run(connection, 1.2);
    });
  });

  test("rejects a statement at once if a hundred others wait", async () => {
    await using db = open(10_000);
    let isRunning = true;
    const first = run(db, 1).then(() => {
      isRunning = false;
    });
    const waiting = Array.from({ length: 100 }, () => run(db, 0));
    await assert.rejects(run(db, 0), { ...BUSY, message: /too many requests wait/ });
    assert.equal(isRunning, true);
    await Promise.all([first, ...waiting]);
  });

  test("never commits a statement that timed out", async () => {
    await using db = open(1000);
    const insert = sql`insert into ${sql.table("group")} (name) select concat('late', sleep(2))`;
    await assert.rejects(insert.execute(db), BUSY);
    await waitUntil("its end on the server", async () => (await runningFor(db, 0)).length === 0);
    assert.deepEqual(await db.selectFrom("group").selectAll().execute(), []);
  });

  test("closes at once even if the server hangs", async () => {
    await using proxy = await startProxy(address.port);
    const db = open(60_000, proxy.port);
    await run(db, 0);
    proxy.hang();
    const unanswered = assert.rejects(run(db, 0), BUSY);
    await db.destroy();
    await unanswered;
    await waitUntil("the end of its connection", () => proxy.connections === 0 || undefined, { seconds: 5 });
  });
});
