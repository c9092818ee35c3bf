import assert from "node:assert/strict";
import { once } from "node:events";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { type Config, parseConfig } from "../../src/config/load.ts";
import { openDatabase } from "../../src/db/database.ts";
import { migrate, migrationStates } from "../../src/db/migrate.ts";
import { MIGRATION_LOCK } from "../../src/db/queries/tables.ts";
import { readSchemaState } from "../../src/db/schema-state.ts";
import { RETRY_LIMIT } from "../../src/db/transaction.ts";
import { folderWith, runCli, startCli } from "../support/cli.ts";
import { untilBlocked } from "../support/lock-waits.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { DATABASES, provision } from "../support/worker.ts";
import { untilReady } from "./serving.ts";

/** The migrations that a worker applied, according to its log. */
function appliedIn(log: string): string[] {
  const line = log.split("\n").find((text) => text.includes("the database schema is current"));
  return (JSON.parse(line ?? "{}") as { applied: string[] }).applied;
}

async function namesIn(config: Config): Promise<string[]> {
  await using db = openDatabase(config.db);
  const states = await migrationStates(db);
  assert.deepEqual(
    states.filter(({ appliedAt }) => appliedAt === undefined),
    [],
  );
  return states.map(({ name }) => name);
}

for (const database of DATABASES) {
  test(`five workers that migrate ${database} at once all become ready and apply each migration once`, async (t) => {
    const { raw, cleanUp } = await provision({ database });
    const folder = folderWith(raw);
    const children = Array.from({ length: 5 }, () => startCli(["serve", "--migrate"], { cwd: folder }));
    t.after(async () => {
      const exits = children.filter(({ exitCode }) => exitCode === null).map((child) => once(child, "exit"));
      for (const child of children) child.kill("SIGKILL");
      await Promise.all(exits);
      await cleanUp();
    });
    const logs = await Promise.all(children.map(untilReady));
    const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
    assert.deepEqual(logs.flatMap(appliedIn).toSorted(), await namesIn(config));
  });

  test(`a migration on ${database} waits for a concurrent one`, async () => {
    const { raw, cleanUp } = await provision({ database });
    const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
    const release = await holdMigrationLock(config);
    let isFinished = false;
    const migrating = migrate(config.db).then(({ applied }) => {
      isFinished = true;
      return applied;
    });
    try {
      if (database === "mysql") {
        await using db = openDatabase(config.db);
        await untilBlocked(db);
      } else await sleep(300); // retries are not observable
      assert.equal(isFinished, false);
    } finally {
      await release();
    }
    assert.deepEqual(await migrating, await namesIn(config));
    await cleanUp();
  });
}

test("a read of the schema state during a migration on mysql reports no missing or foreign table", async () => {
  for (let round = 0; round < 5; round++) {
    const { raw, cleanUp } = await provision({ database: "mysql" });
    const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
    let isMigrating = true;
    const migrating = migrate(config.db).finally(() => (isMigrating = false));
    const read = async (): Promise<void> => {
      await using db = openDatabase(config.db);
      while (isMigrating) {
        const { foreign, missing, isMixed } = await readSchemaState(db);
        assert.deepEqual({ foreign, missing, isMixed }, { foreign: [], missing: [], isMixed: false });
      }
    };
    await Promise.all([migrating, read(), read(), read()]);
    await cleanUp();
  }
});

test("a read that finds a table missing on mysql is repeated while a migration runs", async (t) => {
  const { raw, cleanUp } = await provision({ database: "mysql" });
  t.after(cleanUp);
  const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
  await migrate(config.db);
  assert.equal(config.db.dialect, "mysql");
  // A busy server may take seconds for a change of a table.
  await using db = openDatabase({ ...config.db, timeout_ms: 60_000 });
  // What a server shows while a migration rebuilds a table, but for longer.
  await sql`rename table usergroup to rebuilt`.execute(db);
  const release = await holdMigrationLock(config);
  const reading = readSchemaState(db);
  try {
    const early = await Promise.race([reading, sleep(1000, "still reading")]);
    assert.equal(early, "still reading");
    await sql`rename table rebuilt to usergroup`.execute(db);
  } finally {
    await release();
  }
  assert.deepEqual((await reading).missing, []);
});

test("a migration on sqlite waits longer than a request for a file that another process holds", async () => {
  const { raw, cleanUp } = await provision({ database: "sqlite" });
  const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
  assert.equal(config.db.dialect, "sqlite");
  const other = new DatabaseSync(config.db.file);
  other.exec("begin exclusive");
  const migrating = migrate(config.db);
  await sleep(RETRY_LIMIT + 1000); // retries are not observable
  other.close();
  assert.deepEqual((await migrating).applied, await namesIn(config));
  await cleanUp();
});

test("twenty migrations at once on one new file all succeed", async () => {
  const { raw, cleanUp } = await provision({ database: "sqlite" });
  const folder = folderWith(raw);
  const ended = await Promise.all(Array.from({ length: 20 }, () => runCli(["migrate"], { cwd: folder })));
  assert.deepEqual(
    ended.map(({ code, stderr }) => `${code}${stderr}`),
    Array(20).fill("0"),
  );
  const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
  const applied = ended.flatMap(({ stdout }) => stdout.match(/(?<=applied )\S+/g) ?? []);
  assert.deepEqual(applied.toSorted(), await namesIn(config));
  await cleanUp();
});

async function holdMigrationLock({ db }: Config): Promise<() => Promise<void>> {
  if (db.dialect === "sqlite") {
    const other = new DatabaseSync(db.file);
    other.exec("pragma journal_mode = wal");
    other.exec("begin immediate");
    return async () => other.close();
  }
  const { host, port, user, password, database } = db;
  const session = await createConnection({ host, port, user, password, database });
  // The lock is server-wide: other test files take it too.
  const [[row]] = await session.query<RowDataPacket[]>(`select get_lock('${MIGRATION_LOCK}', 100) as held`);
  assert.equal(row?.["held"], 1, "other test files hold the migration lock");
  return () => session.end();
}
