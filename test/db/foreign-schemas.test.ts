import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { databaseFindings } from "../../src/cli/doctor/database.ts";
import { ConfigError } from "../../src/config/fault.ts";
import { type DbConfig, parseConfig } from "../../src/config/load.ts";
import { migrate } from "../../src/db/migrate.ts";
import { MIGRATIONS } from "../../src/db/migrations/index.ts";
import { folderWith, runCli } from "../support/cli.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { DATABASES, type DatabaseKind } from "../support/worker.ts";
import { emptyDatabase, type RawDatabase } from "./raw-database.ts";

const quoted = { mysql: { user: "`user`", group: "`group`" }, sqlite: { user: '"user"', group: '"group"' } };

/** The tables of py_auth_micro, with a user in them. */
function originalTables(database: DatabaseKind): string[] {
  const { user, group } = quoted[database];
  return [
    `create table ${user} (username varchar(30) not null primary key, password_hash longblob, auth_type varchar(8) not null,
      email varchar(100) not null unique, activated tinyint(1) not null default 1,
      created_at datetime(6) not null, modified_at datetime(6) not null)`,
    `create table ${group} (name varchar(50) not null primary key)`,
    `create table token (token_id bigint not null primary key, ip varchar(39) not null, valid_until datetime(6) not null,
      last_use datetime(6), sign_method varchar(10) not null, vhost varchar(100) not null default 'test',
      user_id varchar(30) not null unique, foreign key (user_id) references ${user} (username) on delete cascade)`,
    `create table usergroup (name varchar(30) not null, username varchar(50) not null,
      foreign key (name) references ${user} (username) on delete cascade,
      foreign key (username) references ${group} (name) on delete cascade)`,
    `insert into ${user} values ('alice', null, 'LDAP', 'alice@example.com', 1, '2024-01-01', '2024-01-01')`,
  ];
}

/** Another application's users. */
function otherTable(database: DatabaseKind): string {
  return `create table ${quoted[database].user} (id integer not null primary key, name varchar(50))`;
}

/** The list of migrations that an earlier version left in a database that it could not migrate. */
const LEFT_BEHIND = [
  "create table authmq_migration (name varchar(255) not null primary key, timestamp varchar(255) not null)",
  "create table authmq_migration_lock (id varchar(255) not null primary key, is_locked integer default 0 not null)",
  "insert into authmq_migration_lock values ('migration_lock', 0)",
];

const COMMANDS = [
  ["migrate"],
  ["serve"],
  ["serve", "--migrate"],
  ["users", "import", "users.csv"],
  ["admin", "create", "root", "--email", "root@example.com"],
] as const;

/** Asserts that `migrate` and `doctor` reject the tables with advice, and write nothing. */
async function assertRefused(foreign: RawDatabase, report: RegExp, advice = OWN_DATABASE): Promise<void> {
  const before = await foreign.snapshot();
  const config = parseConfig(foreign.raw, { keys: true, env: {}, folder: scratchFolder });
  const error = await migrate(config.db).then(
    () => assert.fail("it was migrated"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConfigError, String(error));
  assert.match(error.message, report);
  assert.match(error.message, advice);
  const findings = await databaseFindings(config);
  const failed = findings.filter(({ status }) => status === "fail");
  assert.equal(failed.length, 1);
  assert.match(failed[0]?.msg ?? "", report);
  assert.match(failed[0]?.advice ?? "", advice);
  assert.equal(await foreign.snapshot(), before);
}

/** The way out of a database of py_auth_micro. */
const COPY = /of its own: .* "authmq import-py-auth-micro --from FILE"/;

const OWN_DATABASE =
  /a (?:file|database) of its own: (?:create one and )?set db_settings\.(?:file|database) to/;

for (const database of DATABASES) {
  test(`every command recognizes the tables of py_auth_micro on ${database} and does not change them`, async () => {
    await using foreign = await emptyDatabase(database);
    await foreign.execute(...originalTables(database));
    const before = await foreign.snapshot();
    const report = /tables group, token, user, usergroup that belong to py_auth_micro/;
    const cwd = folderWith(foreign.raw);
    writeFileSync(join(cwd, "users.csv"), "username,email\nbobby,bobby@example.com\n");
    const ended = COMMANDS.map(async (command) => ({
      command,
      ...(await runCli(command, { cwd, stdin: "correct horse battery\n" })),
    }));
    for (const { command, code, stderr } of await Promise.all(ended)) {
      const which = `${command.join(" ")}: ${stderr}`;
      assert.equal(code, 78, which);
      assert.match(stderr, report, which);
      assert.match(stderr, /^authmq: db_settings\.(?:file|database): .*nothing was written/m, which);
      assert.match(stderr, COPY, which);
    }
    assert.equal(await foreign.snapshot(), before);
    await assertRefused(foreign, report, COPY);
  });

  test(`tables of py_auth_micro on ${database} that were made by hand, without foreign keys, are recognized`, async () => {
    await using foreign = await emptyDatabase(database);
    const tables = originalTables(database).map((text) => text.replace(/,\s*foreign key[^]*\)$/, ")"));
    assert.doesNotMatch(tables.join(), /foreign key/);
    await foreign.execute(...tables);
    await assertRefused(foreign, /that belong to py_auth_micro/, COPY);
  });

  test(`another application's table user on ${database} is named, even beside a migration list`, async () => {
    await using foreign = await emptyDatabase(database);
    await foreign.execute(otherTable(database), ...LEFT_BEHIND);
    await assertRefused(foreign, /has a table user that belongs to another application/);
  });

  test(`py_auth_micro's tables on ${database} are recognized without users and beside a migration list`, async () => {
    await using foreign = await emptyDatabase(database);
    await foreign.execute(...originalTables(database).slice(0, -1), ...LEFT_BEHIND);
    await assertRefused(foreign, /group, token, user, usergroup that belong to py_auth_micro/);
  });

  test(`a foreign table with the name of a pending migration's table on ${database} stops all migrations`, async () => {
    await using foreign = await emptyDatabase(database);
    await foreign.execute("create table event (id integer not null primary key, title varchar(50))");
    await assertRefused(foreign, /has a table event that belongs to another application/);
  });

  test(`tables on ${database} without their list of migrations are not migrated again`, async () => {
    await using lost = await emptyDatabase(database);
    await migrate(dbOf(lost));
    await lost.execute("drop table authmq_migration");
    await assertRefused(
      lost,
      /has tables of authmq .* not in its list of migrations/,
      /Restore the database/,
    );
  });

  test(`another application's dump that replaced the tables on ${database} is recognized by its columns`, async () => {
    await using mixed = await emptyDatabase(database);
    await migrate(dbOf(mixed));
    const { user, group } = quoted[database];
    await mixed.execute(
      ...[
        "recovery_code",
        "factor",
        "challenge",
        "api_key",
        "one_time_token",
        "usergroup",
        "token",
        group,
        user,
      ].map((table) => `drop table ${table}`),
      ...originalTables(database),
    );
    await assertRefused(mixed, /that belong to py_auth_micro/);
  });

  test(`other tables on ${database} whose names do not collide with authmq's are accepted`, async () => {
    await using shared = await emptyDatabase(database);
    await shared.execute(
      "create table users (id integer not null primary key)",
      "create table orders (id integer not null primary key)",
      "insert into orders values (7)",
    );
    const { applied } = await migrate(dbOf(shared));
    assert.equal(applied.length, Object.keys(MIGRATIONS).length);
    assert.deepEqual((await migrate(dbOf(shared))).applied, []);
    await shared.execute("insert into orders values (8)");
  });

  test(`missing tables on ${database} are named by migrate and doctor, and not recreated`, async () => {
    await using lost = await emptyDatabase(database);
    await migrate(dbOf(lost));
    await lost.execute("drop table lease");
    const before = await lost.snapshot();
    await assert.rejects(migrate(dbOf(lost)), /^Error: tables of authmq are missing: lease\. .*restore/);
    assert.equal(await lost.snapshot(), before);
    const config = parseConfig(lost.raw, { keys: true, env: {}, folder: scratchFolder });
    const failed = (await databaseFindings(config)).find(({ status }) => status === "fail");
    assert.match(failed?.msg ?? "", /^tables of authmq are missing: lease$/);
  });
}

function dbOf({ raw }: RawDatabase): DbConfig {
  return parseConfig(raw, { keys: true, env: {}, folder: scratchFolder }).db;
}
