import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { generateSecret } from "../src/config/generate-key.ts";
import { openDatabase } from "../src/db/database.ts";
import { recordEvent } from "../src/db/queries/events.ts";
import { insertMember, insertGroup } from "../src/db/queries/groups.ts";
import { toSqlTime } from "../src/db/time.ts";
import { AppError, ConfigError, createAuth } from "../src/index.ts";
import { folderWith } from "./support/cli.ts";
import { scratchFolder } from "./support/scratch-folder.ts";
import { waitUntil } from "./support/servers/scratch.ts";

function newConfig() {
  const value = Buffer.from(generateSecret("EdDSA").secret).toString("base64");
  return {
    jwt_creation: { issuer: "authmq", signmethod: "EdDSA", secret: { type: "base64key", value } },
    db_settings: { dialect: "sqlite", file: join(scratchFolder, `${randomBytes(6).toString("hex")}.db`) },
    app_config: { allow_registration: true, bcrypt_cost: 4 },
  };
}

test("the library runs all workflows without a broker, with the same rules", async () => {
  const config = newConfig();
  await using auth = await createAuth({ config });
  assert.equal((await auth.migrate()).length > 0, true);
  const root = { username: "root", password: "correct horse" };
  await auth.user.register({ ...root, password_confirm: root.password, email: "root@example.com" });
  const db = openDatabase({ dialect: "sqlite", file: config.db_settings.file });
  await insertGroup(db, "admin");
  await insertMember(db, "admin", "root");
  await db.destroy();

  const { id_token } = await auth.session.login({ ...root, ip: "::ffff:10.0.0.1" });
  const { access_token } = await auth.session.getAccessToken({ id_token, ip: "10.0.0.1" });
  const alice = { username: "alice", password: "battery staple" };
  await auth.user.adminCreate({ ...alice, email: "alice@example.com", access_token });
  await auth.group.create({ groupname: "ops", access_token });
  await auth.group.addUser({ groupname: "ops", username: "alice", access_token });
  assert.deepEqual(await auth.group.members({ groupname: "ops", access_token }), { users: ["alice"] });
  assert.deepEqual(await auth.group.getAll({ access_token }), { groups: ["admin", "ops"] });
  assert.deepEqual(await auth.user.getAll({ access_token }), { users: ["alice", "root"] });
  assert.deepEqual(await auth.user.getAll({ access_token, limit: 1 }), { users: ["alice"], next: "alice" });
  assert.deepEqual(await auth.session.revoke({ username: "alice", access_token }), {
    msg: "alice has no session",
  });
  await auth.user.change({ username: "alice", email: "a@example.co.uk", access_token });
  assert.equal((await auth.user.get({ username: "alice", access_token })).email, "a@example.co.uk");
  await auth.group.removeUser({ groupname: "ops", username: "alice", access_token });
  await auth.group.delete({ groupname: "ops", access_token });
  await auth.user.delete({ username: "alice", access_token });
  const lastAdmin = { username: "root", access_token };
  await assert.rejects(auth.user.delete(lastAdmin), { code: "LAST_ADMIN", respCode: 409 });
  await auth.session.logout({ id_token, ip: "10.0.0.1" });

  const refusals = [
    [() => auth.session.getAccessToken({ id_token, ip: "10.0.0.1" }), "INVALID_TOKEN", 401],
    [() => auth.user.delete(lastAdmin), "INVALID_TOKEN", 401],
    [() => auth.session.login({ ...root, password: "wrong" }), "INVALID_CREDENTIALS", 401],
    [() => auth.session.login({ username: "x", password: "y" }), "INVALID_INPUT", 400],
    [() => auth.user.get({ username: "alice" }), "USER_NOT_FOUND", 404],
  ] as const;
  for (const [call, code, respCode] of refusals) {
    await assert.rejects(call(), (error) => {
      assert.ok(error instanceof AppError, String(error));
      assert.deepEqual([error.code, error.respCode], [code, respCode]);
      return true;
    });
  }
  await auth.close();
  await auth.close();
});

test("the library reads a configuration file, and lists all of its faults", async () => {
  const folder = folderWith(newConfig());
  await using auth = await createAuth({ config: join(folder, "config.json") });
  await auth.migrate();
  await assert.rejects(createAuth({ config: { nonsense: {} } }), (error) => {
    assert.ok(error instanceof ConfigError, String(error));
    assert.deepEqual(error.faults.map(({ path }) => path).toSorted(), ["jwt_creation", "nonsense"]);
    return true;
  });
});

test("the library deletes expired rows about once a minute", async (context) => {
  const config = { ...newConfig(), event_settings: { publish: false, retention_days: 1 } };
  context.mock.timers.enable({ apis: ["setTimeout"] });
  await using auth = await createAuth({ config });
  await auth.migrate();
  await using db = openDatabase({ dialect: "sqlite", file: config.db_settings.file });
  await recordEvent(db, { type: "group.created", username: null, actor: null, data: {} });
  await db
    .updateTable("event")
    .set({ created_at: toSqlTime(new Date(0)) })
    .execute();
  context.mock.timers.tick(90_000);
  context.mock.timers.reset();
  await waitUntil(
    "the event to be gone",
    async () => (await db.selectFrom("event").select("seq").execute()).length === 0,
  );
});
