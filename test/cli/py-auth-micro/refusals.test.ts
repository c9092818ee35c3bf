import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { folderWith, newFolder, runCli } from "../../support/cli.ts";
import { createOldDatabase } from "../../support/py-auth-micro.ts";
import { DATABASES, provision } from "../../support/worker.ts";
import { installWithUsers } from "../users/installed.ts";

/** Runs the import with these database settings of py_auth_micro. */
async function importFrom(db_settings: unknown, cwd: string, ...more: readonly string[]) {
  writeFileSync(join(cwd, "old.json"), JSON.stringify({ db_settings }));
  return runCli(["import-py-auth-micro", "--from", "old.json", ...more], { cwd });
}

const anyDatabase = DATABASES.at(0) ?? "mysql";

test("a table usergroup without foreign keys is refused, with what to do", async () => {
  await using old = await createOldDatabase("swapped", { hasForeignKeys: false });
  await using here = await installWithUsers(anyDatabase);
  const { code, stdout, stderr } = await importFrom(old.settings, here.folder);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(
    stderr,
    /lacks foreign keys to user and group, so it is not known which column has the usernames/,
  );
  assert.match(stderr, /ALTER TABLE usergroup ADD FOREIGN KEY \(name\) REFERENCES user \(username\)/);
  assert.deepEqual(await here.rows(), {});
});

test("the same database as source and target is refused, under another name of its host, too", async () => {
  await using old = await createOldDatabase();
  const before = await old.snapshot();
  for (const host of [old.settings.host, "localhost"]) {
    const cwd = folderWith({ db_settings: { dialect: "mysql", ...old.settings, host } });
    const { code, stderr } = await importFrom(old.settings, cwd);
    assert.equal(code, 78, stderr);
    assert.match(stderr, /^authmq: db_settings\.database: .*py_auth_micro.*; nothing was written/);
  }
  assert.equal(await old.snapshot(), before);
});

test("a source that is not a database of py_auth_micro is refused by name", async () => {
  await using other = await installWithUsers("mysql");
  await using here = await installWithUsers(anyDatabase);
  const own = await importFrom(other.raw["db_settings"], here.folder);
  assert.equal(own.code, 1);
  assert.match(own.stderr, /belongs to authmq, not to py_auth_micro: .* users export and import/);
  await using old = await createOldDatabase();
  await old.execute("drop table usergroup");
  const { code, stderr } = await importFrom(old.settings, here.folder);
  assert.equal(code, 1);
  assert.match(stderr, /is not one of py_auth_micro: the table usergroup is missing\. Check db_settings/);
});

test("a configuration without a server, a wrong password and pending migrations say what to do", async () => {
  await using here = await installWithUsers(anyDatabase);
  await using old = await createOldDatabase();
  const file = await importFrom({ dialect: "sqlite", file: "old.db" }, here.folder);
  assert.equal(file.code, 78);
  assert.match(
    file.stderr,
    /old\.json: db_settings: must name the MySQL or MariaDB database of py_auth_micro/,
  );
  const missing = await runCli(["import-py-auth-micro", "--from", "none.json"], { cwd: here.folder });
  assert.deepEqual([missing.code, /cannot read the configuration/.test(missing.stderr)], [78, true]);
  const denied = await importFrom({ ...old.settings, password: "wrong horse battery" }, here.folder);
  assert.equal(denied.code, 1);
  assert.match(denied.stderr, /cannot read the database authmq_\w+ of py_auth_micro at .* as reader_/);
  const { raw, cleanUp } = await provision({ database: anyDatabase });
  const pending = await importFrom(old.settings, folderWith(raw));
  assert.equal(pending.code, 1);
  assert.match(pending.stderr, /migrations are pending .*: run "authmq migrate" first/);
  await cleanUp();
});

test("options that do not belong together are refused", async () => {
  const cwd = newFolder();
  for (const [args, reason] of [
    [["--write-config", "new", "--dry-run"], /imports nothing: remove --config and --dry-run/],
    [["--mixed"], /are for --write-config/],
  ] as const) {
    const { code, stderr } = await importFrom({}, cwd, ...args);
    assert.equal(code, 2);
    assert.match(stderr, reason);
  }
});
