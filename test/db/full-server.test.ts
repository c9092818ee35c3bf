import assert from "node:assert/strict";
import { test } from "node:test";
import { createConnection } from "mysql2/promise";
import { databaseFindings } from "../../src/cli/doctor/database.ts";
import { parseConfig } from "../../src/config/load.ts";
import { openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { assertWritable } from "../../src/db/writes.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { useOwnServer } from "./own-server.ts";
import { emptyDatabase } from "./raw-database.ts";

/** All tables in one file of limited size: like a full disk to InnoDB, without affecting other tests. */
const server = useOwnServer([
  "innodb-file-per-table=0",
  "innodb-data-file-path=ibdata1:12M:autoextend:max:32M",
]);

test("the probe and doctor detect a full server, which answers reads, and later writes too", async (context) => {
  const [variables] = await server.execute("select @@innodb_file_per_table as apart");
  if (Number(variables?.["apart"]) !== 0) return context.skip("this server has another configuration");
  const own = await server.createDatabase();
  await using empty = await emptyDatabase("sqlite");
  const raw = { ...empty.raw, db_settings: { ...own, timeout_ms: 30_000 } };
  const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
  await migrate(config.db);
  await using db = openDatabase(config.db);
  await assertWritable(db, config.db);

  await server.execute(`create table ${own.database}.ballast (filler blob) engine = innodb`);
  // In an open transaction: a full InnoDB has no space for a delete, but always for a rollback.
  const { host, port, user, password, database } = own;
  const filling = await createConnection({ host, port, user, password, database });
  await filling.beginTransaction();
  for (const size of [60_000, 4000])
    await assert.rejects(async () => {
      for (;;) await filling.query(`insert into ballast values (repeat('-', ${size}))`);
    }, /is full/);
  await assert.rejects(assertWritable(db, config.db), {
    code: "UNAVAILABLE",
    message: /is full.*: free space/,
  });
  const findings = await databaseFindings(config);
  const failed = findings.filter(({ status }) => status === "fail");
  assert.deepEqual(
    failed.map(({ msg, advice }) => [/^the database accepts no writes: .*is full/.test(msg), advice]),
    [[true, "Free space on the database server."]],
  );
  assert.deepEqual(await db.selectFrom("user").selectAll().execute(), []);

  await filling.rollback();
  await filling.end();
  await assertWritable(db, config.db);
});
