import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { sql } from "kysely";
import { createConnection } from "mysql2/promise";
import { databaseFindings } from "../../src/cli/doctor/database.ts";
import { type Config, parseConfig } from "../../src/config/load.ts";
import { openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { MIGRATIONS } from "../../src/db/migrations/index.ts";
import { assertWritable } from "../../src/db/writes.ts";
import { newFolder } from "../support/cli.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { DATABASES } from "../support/worker.ts";
import { useOwnServer } from "./own-server.ts";
import { emptyDatabase } from "./raw-database.ts";

const server = useOwnServer();

const configOf = (raw: object): Config =>
  parseConfig({ ...raw }, { keys: true, env: {}, folder: scratchFolder });

/** The failed findings of doctor, as `message | advice`. */
async function failures(config: Config): Promise<string[]> {
  const findings = await databaseFindings(config);
  return findings
    .filter(({ status }) => status === "fail")
    .map(({ msg, advice }) => `${msg} | ${advice ?? ""}`);
}

for (const database of DATABASES) {
  test(`the write probe on ${database} leaves no row, and several can run at once`, async () => {
    await using empty = await emptyDatabase(database);
    const config = configOf(empty.raw);
    await migrate(config.db);
    await using db = openDatabase(config.db);
    // On MySQL, a deadlock would show here and fail a request elsewhere.
    const deadlocks = new Set<unknown>();
    const probes = Array.from({ length: 20 }, () =>
      assertWritable(db, config.db).catch((error: unknown) => deadlocks.add(error)),
    );
    await Promise.all(probes);
    assert.deepEqual([...deadlocks], []);
    assert.deepEqual(await db.selectFrom("event").selectAll().execute(), []);
    assert.deepEqual(await failures(config), []);
  });
}

test("the probe and doctor detect a missing privilege and a read-only server", async () => {
  const own = await server.createDatabase();
  await using empty = await emptyDatabase("sqlite");
  const config = configOf({ ...empty.raw, db_settings: { ...own, timeout_ms: 30_000 } });
  await migrate(config.db);
  assert.deepEqual(await failures(config), []);
  await server.set("read_only", 1);
  assert.match(
    (await failures(config)).join(),
    /^the database accepts no writes: .*read-only.* \| The server is read_only/,
  );
  await server.set("read_only", 0);
  await server.execute(`revoke all on ${own.database}.* from ${own.user}@'%'`);
  for (const rights of ["select", "select, insert, update"]) {
    await server.execute(`grant ${rights} on ${own.database}.* to ${own.user}@'%'`);
    assert.match(
      (await failures(config)).join(),
      /^the database accepts no writes: (?:INSERT|DELETE) command denied .* \| Grant the privileges: GRANT/,
      rights,
    );
  }
});

test("a database user without CREATE privilege can run migrate if nothing is pending", async () => {
  const own = await server.createDatabase();
  await using empty = await emptyDatabase("sqlite");
  const config = configOf({ ...empty.raw, db_settings: { ...own, timeout_ms: 30_000 } });
  await migrate(config.db);
  await server.execute(`revoke all on ${own.database}.* from ${own.user}@'%'`);
  await server.execute(`grant select on ${own.database}.* to ${own.user}@'%'`);
  assert.deepEqual((await migrate(config.db)).applied, []);
});

test("a server at its limit of prepared statements is UNAVAILABLE with advice, and used again later", async () => {
  const own = await server.createDatabase();
  const db_settings = {
    ...own,
    tls: false,
    ca: undefined,
    verify_host: true,
    pool_size: 2,
    timeout_ms: 30_000,
  } as const;
  await migrate(db_settings);
  await using db = openDatabase(db_settings);
  const query = (): Promise<unknown> => sql`select ${"x"} as x`.execute(db);
  await server.set("max_prepared_stmt_count", 0);
  await assert.rejects(query(), {
    code: "UNAVAILABLE",
    message: /max_prepared_stmt_count.*: raise the server's/,
  });
  await server.restoreSettings();
  await query();
});

test("a database user at a server limit is UNAVAILABLE with advice, and served again later", async () => {
  const own = await server.createDatabase();
  const db_settings = {
    ...own,
    tls: false,
    ca: undefined,
    verify_host: true,
    pool_size: 1,
    timeout_ms: 30_000,
  } as const;
  const query = async (): Promise<void> => {
    await using db = openDatabase(db_settings);
    await sql`select ${"x"} as x`.execute(db);
  };
  const limit = (what: string): Promise<unknown> => server.execute(`alter user ${own.user}@'%' with ${what}`);
  await query();
  await limit("max_user_connections 1");
  const { host, port, user, password } = own;
  const first = await createConnection({ host, port, user, password }); // counts towards the limit
  await assert.rejects(query(), { code: "UNAVAILABLE", message: /raise the user's limits, or lower/ });
  await limit("max_user_connections 0");
  await server.set("max_user_connections", 1);
  await assert.rejects(query(), { code: "UNAVAILABLE", message: /raise max_user_connections of the user/ });
  await server.restoreSettings();
  await query();
  await limit("max_queries_per_hour 1");
  await assert.rejects(query(), {
    code: "UNAVAILABLE",
    message: /max_(?:queries_per_hour|questions).*: raise the user's/,
  });
  await limit("max_queries_per_hour 0");
  await query();
  await first.end();
});

test("a migration that was killed before it was recorded resumes", async () => {
  const own = await server.createDatabase();
  const config = {
    ...own,
    tls: false,
    ca: undefined,
    verify_host: true,
    pool_size: 2,
    timeout_ms: 30_000,
  } as const;
  const all = Object.entries(MIGRATIONS);
  for (const killed of ["0010-lease", "0008-rpc-inbox-by-age", "0006-token-validated-at"]) {
    const executed = all.filter(([name]) => name <= killed);
    await server.execute(`drop database ${own.database}`);
    await server.execute(`create database ${own.database}`);
    await using db = openDatabase(config);
    const run = (statement: string) => sql.raw(statement).execute(db);
    await run(
      "create table authmq_migration (name varchar(255) primary key, timestamp varchar(255) not null)",
    );
    for (const [name, { mysql }] of executed) {
      assert.ok(typeof mysql === "string", `${name} is not a single statement`);
      await run(mysql);
      if (name !== killed)
        await run(`insert into authmq_migration values ('${name}', '2026-01-01T00:00:00.000Z')`);
    }
    assert.deepEqual(
      (await migrate(config)).applied,
      all.map(([name]) => name).filter((name) => name >= killed),
    );
  }
});

const folder = join(newFolder(), "small");
mkdirSync(folder);
const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]).status === 0;
after(() => mounted && spawnSync("umount", ["-l", folder]));

test("the probe and doctor detect a full disk under SQLite, and that there is space again", {
  skip: mounted ? false : "this user may not mount a file system of two megabytes",
}, async () => {
  await using empty = await emptyDatabase("sqlite");
  const file = join(folder, "authmq.db");
  const config = configOf({ ...empty.raw, db_settings: { dialect: "sqlite", file } });
  await migrate(config.db);
  await using db = openDatabase(config.db);
  await assertWritable(db, config.db);
  const ballast = join(folder, "ballast");
  assert.throws(() => {
    for (;;) writeFileSync(ballast, Buffer.alloc(4096), { flag: "a" });
  }, /ENOSPC/);
  await assert.rejects(assertWritable(db, config.db), { code: "UNAVAILABLE", message: /full/ });
  assert.match(
    (await failures(config)).join(),
    /accepts no writes: .*full.* \| Free space on its file system\./,
  );
  rmSync(ballast);
  await assertWritable(db, config.db);
  assert.deepEqual(await failures(config), []);
});
