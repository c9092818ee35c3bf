import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { migrate } from "../../src/db/migrate.ts";
import { MIGRATIONS } from "../../src/db/migrations/index.ts";
import { folderWith, runCli, startCli } from "../support/cli.ts";
import { diagnose } from "../support/doctor.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { DATABASES, type DatabaseKind } from "../support/worker.ts";
import { emptyDatabase, type RawDatabase } from "./raw-database.ts";
import { endOf, untilReady } from "./serving.ts";

const LATER = "9001-user-nickname";
const BREAKING = "9002-several-sessions-breaking";

/** A database that a later version has migrated. */
async function migratedLater(
  database: DatabaseKind,
  ...names: readonly string[]
): Promise<RawDatabase & { readonly cwd: string }> {
  const newer = await emptyDatabase(database);
  const cwd = folderWith(newer.raw);
  await migrate(parseConfig(newer.raw, { keys: true, env: {}, folder: scratchFolder }).db);
  const user = database === "sqlite" ? '"user"' : "`user`";
  await newer.execute(
    `alter table ${user} add column nickname varchar(50)`,
    "create table passkey (id integer not null primary key)",
    ...names.map((name) => `insert into authmq_migration values ('${name}', '2027-01-01T00:00:00.000Z')`),
  );
  return { ...newer, cwd };
}

for (const database of DATABASES) {
  test(`after a rollback on ${database}, migrate reports the newer schema and exits with 0, serve starts`, async () => {
    await using newer = await migratedLater(database, LATER);
    const { cwd, raw } = newer;
    const before = await newer.snapshot();
    const migrated = await runCli(["migrate"], { cwd });
    assert.deepEqual(
      [migrated.code, migrated.stdout, migrated.stderr],
      [0, `kept ${LATER}, which a later version applied\nup to date\n`, ""],
    );
    const status = await runCli(["migrate", "--status"], { cwd });
    assert.deepEqual(
      [status.code, status.stdout.split("\n").at(-2)],
      [0, `${LATER} applied by a later version`],
    );
    assert.equal(await newer.snapshot(), before);

    const created = await runCli(["admin", "create", "root", "--email", "root@example.com"], {
      cwd,
      stdin: "correct horse battery\n",
    });
    assert.equal(created.code, 0, created.stderr);
    const serving = startCli(["serve", "--migrate"], { cwd });
    const log = await untilReady(serving);
    await endOf(serving);
    assert.match(log, new RegExp(`"newer":\\["${LATER}"\\]`));

    const { code, of } = await diagnose(raw);
    assert.equal(code, 0);
    assert.match(
      of("database"),
      new RegExp(`^warn: a later version has migrated the database \\(${LATER}\\)`, "m"),
    );
  });

  test(`every command rejects a newer breaking migration on ${database} and writes nothing`, async () => {
    await using newer = await migratedLater(database, LATER, BREAKING);
    const { cwd, raw } = newer;
    writeFileSync(join(cwd, "users.csv"), "username,email\nbobby,bobby@example.com\n");
    const before = await newer.snapshot();
    for (const command of [
      ["migrate"],
      ["serve"],
      ["serve", "--migrate"],
      ["users", "import", "users.csv"],
    ]) {
      const { code, stderr } = await runCli(command, { cwd, stdin: "correct horse battery\n" });
      assert.equal(code, 78, `${command.join(" ")}: ${stderr}`);
      assert.match(
        stderr,
        new RegExp(`this version cannot work with ${BREAKING}; nothing was written\\. Use the later`),
      );
    }
    assert.equal(await newer.snapshot(), before);
    const { code, of } = await diagnose(raw);
    assert.equal(code, 1);
    assert.match(
      of("database"),
      new RegExp(`^fail: .* cannot work with ${BREAKING} \\| Use the later version`, "m"),
    );
  });

  test(`a ${database} database with other migrations is rejected, and nothing is written`, async () => {
    await using newer = await migratedLater(database, LATER);
    const last = Object.keys(MIGRATIONS).at(-1)!;
    await newer.execute(`delete from authmq_migration where name = '${last}'`);
    const before = await newer.snapshot();
    const { code, stderr } = await runCli(["migrate"], { cwd: newer.cwd });
    assert.deepEqual([code, await newer.snapshot()], [78, before]);
    assert.match(
      stderr,
      new RegExp(`it lacks ${last} and has ${LATER}; nothing was written\\. Use the version`),
    );
  });
}
