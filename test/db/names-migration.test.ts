import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type Kysely, sql } from "kysely";
import { Migrator } from "kysely/migration";
import type { DbConfig } from "../../src/config/load.ts";
import { type Database, dialectOf, openDatabase } from "../../src/db/database.ts";
import { migrate, migrationStates } from "../../src/db/migrate.ts";
import { MIGRATIONS } from "../../src/db/migrations/index.ts";
import type { Step } from "../../src/db/migrations/migration.ts";
import { listEvents } from "../../src/db/queries/events.ts";
import { listMembers } from "../../src/db/queries/groups.ts";
import { findUser, findUserByEmail } from "../../src/db/queries/users.ts";
import { createDatabase, dropDatabase } from "../support/database.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { DATABASES, type DatabaseKind } from "../support/worker.ts";

const NAMES_BY_KEY = "0021-names-by-key";
const AT = "2026-01-31 23:59:59.123";

/** Creates a database with the schema and users of the previous version; deletes it after `work`. */
async function withOldDatabase(
  kind: DatabaseKind,
  work: (config: DbConfig, db: Database) => Promise<void>,
): Promise<void> {
  const server = kind === "mysql" ? await createDatabase() : undefined;
  const config: DbConfig =
    server === undefined
      ? { dialect: "sqlite", file: join(scratchFolder, `${randomBytes(6).toString("hex")}.db`) }
      : {
          dialect: "mysql",
          ...server,
          tls: false,
          ca: undefined,
          verify_host: true,
          pool_size: 4,
          timeout_ms: 10_000,
        };
  const db = openDatabase(config);
  try {
    await applyOld(db);
    await fill(db);
    await work(config, db);
  } finally {
    await db.destroy();
    if (server !== undefined) await dropDatabase(server.database);
  }
}

/** Applies the migrations of the previous version. */
async function applyOld(db: Database): Promise<void> {
  const old = Object.entries(MIGRATIONS).filter(([name]) => name < NAMES_BY_KEY);
  const migrations = old.map(([name, ddl]) => {
    const text = ddl[dialectOf(db)];
    assert.ok(typeof text === "string", `${name} is not a single statement`);
    const up = async (to: Kysely<unknown>): Promise<void> => {
      await execute(to, text);
    };
    return [name, { up }] as const;
  });
  const migrator = new Migrator({
    db,
    migrationTableName: "authmq_migration",
    migrationLockTableName: "authmq_migration_lock",
    provider: { getMigrations: async () => Object.fromEntries(migrations) },
  });
  const { error } = await migrator.migrateToLatest();
  assert.equal(error, undefined);
}

async function execute(db: Kysely<unknown> | Database, text: string): Promise<unknown[]> {
  const { rows } = await sql.raw(text).execute(db);
  return rows;
}

/** The steps of a migration on MySQL. */
function stepsOf(name: string): readonly Step[] {
  const steps = MIGRATIONS[name]?.mysql;
  assert.ok(steps !== undefined && typeof steps !== "string", `${name} has no steps`);
  return steps;
}

/** Rows as the previous version writes them, two of them with another spelling than their user. */
async function fill(db: Database): Promise<void> {
  const user = dialectOf(db) === "mysql" ? "`user`" : '"user"';
  const group = dialectOf(db) === "mysql" ? "`group`" : '"group"';
  for (const [name, email] of [
    ["Alice", "Alice@Example.com"],
    ["bob", "bob@example.com"],
    ["müller", "m@example.com"],
  ])
    await execute(
      db,
      `insert into ${user} (username, auth_type, email, activated, created_at, modified_at, email_verified_at)
       values ('${name}', 'LOCAL', '${email}', 1, '${AT}', '${AT}', '${AT}')`,
    );
  await execute(db, `insert into ${group} (name) values ('admin'), ('dev')`);
  await execute(
    db,
    "insert into usergroup (username, groupname) values ('ALICE', 'admin'), ('bob', 'dev'), ('müller', 'dev')",
  );
  for (const [id, name] of [
    ["9007199254740993", "alice"],
    ["2", "müller"],
  ])
    await execute(
      db,
      `insert into token (token_id, user_id, ip, valid_until, sign_method, vhost) values (${id}, '${name}', '*', '2030-01-01 00:00:00.000', 'EdDSA', 'prod')`,
    );
  for (const name of ["'bob'", "null"])
    await db
      .insertInto("one_time_token")
      .values({
        token_hash: randomBytes(32),
        purpose: "password_reset",
        account_key: randomBytes(32),
        username: sql.raw<string | null>(name),
        email: null,
        expires_at: AT,
      })
      .execute();
  await execute(
    db,
    `insert into event (id, type, username, data, created_at) values ('e1', 'user.created', 'Alice', '{}', '${AT}'), ('e2', 'group.created', null, '{}', '${AT}')`,
  );
}

/** Asserts that all rows of `fill` are kept and found by their keys. */
async function assertComplete(db: Database): Promise<void> {
  const states = await migrationStates(db);
  assert.deepEqual(
    states.filter(({ appliedAt }) => appliedAt === undefined),
    [],
  );
  const alice = await findUser(db, "aLICE");
  assert.equal(alice?.username, "Alice");
  assert.deepEqual(
    [alice.email, alice.created_at, alice.email_verified_at, alice.external_id],
    ["Alice@Example.com", AT, AT, null],
  );
  assert.equal((await findUserByEmail(db, "ALICE@EXAMPLE.COM"))?.username, "Alice");
  assert.equal((await findUser(db, "müller"))?.username, "müller");
  assert.equal(await findUser(db, "muller"), undefined);
  assert.deepEqual(await listMembers(db, "admin"), ["Alice"]);
  assert.deepEqual(await listMembers(db, "dev"), ["bob", "müller"]);
  const tokens = await db.selectFrom("token").select(["token_id", "user_id"]).orderBy("user_id").execute();
  assert.deepEqual(
    tokens.map(({ token_id, user_id }) => [String(token_id), user_id]),
    [
      ["9007199254740993", "Alice"],
      ["2", "müller"],
    ],
  );
  const sent = await db.selectFrom("one_time_token").select("username").orderBy("username").execute();
  assert.deepEqual(
    sent.map(({ username }) => username),
    [null, "bob"],
  );
  const events = await listEvents(db, { username: "ALICE", before: undefined, limit: 10 });
  assert.deepEqual(
    events.map(({ id }) => id),
    ["e1"],
  );
}

/** Asserts that rows that reference a user are deleted with the user. */
async function assertCascades(db: Database): Promise<void> {
  await db.deleteFrom("user").where("username", "in", ["Alice", "bob", "müller"]).execute();
  for (const table of ["token", "usergroup"] as const)
    assert.deepEqual(await db.selectFrom(table).selectAll().execute(), [], table);
  const sent = await db.selectFrom("one_time_token").select("username").execute();
  assert.deepEqual(
    sent.map(({ username }) => username),
    [null],
  );
}

for (const kind of DATABASES) {
  describe(`the migration to name keys on ${kind}`, () => {
    test("keeps users, sessions, memberships, one-time tokens and events, in the spelling of the user's row", () =>
      withOldDatabase(kind, async (config, db) => {
        const { applied } = await migrate(config);
        assert.ok(applied.includes(NAMES_BY_KEY), applied.join(", "));
        await assertComplete(db);
        await assertCascades(db);
        const check =
          kind === "mysql"
            ? "check table `user`, token, usergroup, one_time_token, event extended"
            : "pragma integrity_check";
        const found = (await execute(db, check)) as { Msg_text?: string; integrity_check?: string }[];
        assert.deepEqual(
          [...new Set(found.map((row) => row.Msg_text?.toLowerCase() ?? row.integrity_check))],
          ["ok"],
        );
      }));

    test("keeps a worker of the previous version working: its rows get keys, and its queries find stored names", () =>
      withOldDatabase(kind, async (config, db) => {
        await migrate(config);
        const user = kind === "mysql" ? "`user`" : '"user"';
        await execute(
          db,
          `insert into ${user} (username, password_hash, auth_type, email, activated, created_at, modified_at)
           values ('Carol', null, 'LOCAL', 'Carol@Example.com', 1, '${AT}', '${AT}')`,
        );
        await execute(db, "insert into usergroup (username, groupname) values ('Carol', 'dev')");
        assert.equal((await findUser(db, "carol"))?.username, "Carol");
        assert.equal((await findUserByEmail(db, "carol@example.COM"))?.username, "Carol");
        assert.deepEqual(await listMembers(db, "dev"), ["bob", "Carol", "müller"]);
        assert.equal((await execute(db, `select 1 from ${user} where username = 'Carol'`)).length, 1);
        const again = execute(
          db,
          `insert into ${user} (username, auth_type, email) values ('CAROL', 'LOCAL', 'other@example.com')`,
        );
        await assert.rejects(again);
      }));
  });
}

test("a migration on mysql that is interrupted after any table change resumes when it is run again", async () => {
  const steps = stepsOf(NAMES_BY_KEY);
  for (const [index, { run: last }] of steps.entries()) {
    if (!last.startsWith("alter table")) continue;
    await withOldDatabase("mysql", async (config, db) => {
      await db.connection().execute(async (connection) => {
        for (const { run } of steps.slice(0, index + 1)) await execute(connection, run);
        // The server does this when a connection is lost.
        await execute(connection, "unlock tables");
      });
      await migrate(config);
      await assertComplete(db);
      await assertCascades(db);
    });
  }
});

test("a user deleted during an interrupted migration on mysql leaves no session for a later user of that name", () =>
  withOldDatabase("mysql", async (config, db) => {
    const steps = stepsOf(NAMES_BY_KEY);
    const bound = steps.findIndex(({ run }) => run.includes("add constraint"));
    await db.connection().execute(async (connection) => {
      for (const { run } of steps.slice(0, bound)) await execute(connection, run);
      await execute(connection, "unlock tables");
    });
    await db.deleteFrom("user").where("username", "=", "Alice").execute();
    await migrate(config);
    const left = await db.selectFrom("token").select("user_id").execute();
    assert.deepEqual(left, [{ user_id: "müller" }]);
    assert.deepEqual(await listMembers(db, "admin"), []);
  }));

test("a migration on sqlite that fails midway changes nothing, and succeeds when it is run again", () =>
  withOldDatabase("sqlite", async (config, db) => {
    await execute(db, "create table usergroup_by_key (obstacle text)");
    await assert.rejects(migrate(config), /usergroup_by_key already exists/);
    const columns = (await execute(db, "select name from pragma_table_xinfo('user')")) as { name: string }[];
    const names = columns.map(({ name }) => name);
    assert.ok(!names.includes("username_key"), names.join(", "));
    assert.deepEqual(await execute(db, "select name from sqlite_schema where name = 'user_by_key'"), []);
    assert.equal((await execute(db, "select 1 from usergroup")).length, 3);
    await execute(db, "drop table usergroup_by_key");
    await migrate(config);
    await assertComplete(db);
  }));
