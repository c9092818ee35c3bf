import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createWorker } from "../../src/worker.ts";
import { assertRefused } from "../support/replies.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { provision, startWorker } from "../support/worker.ts";

test("a failed login is 401 and its event is recorded while another process writes to the file", async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "correct horse");
  assert.equal(worker.config.db.dialect, "sqlite");
  using other = new DatabaseSync(worker.config.db.file);
  other.exec("begin immediate");
  const reply = worker.call("login", { username: "alice", password: "wrong horse" });
  await sleep(500); // retries are not observable
  other.exec("rollback");
  assertRefused(await reply, 401, "INVALID_CREDENTIALS");
  const events = await worker.db.selectFrom("event").select(["type", "username"]).execute();
  assert.deepEqual(
    events.map(({ type, username }) => [type, username]),
    [["login.failed", "alice"]],
  );
});

test("the file can be opened while another process holds it for half a second", async () => {
  const { raw, cleanUp } = await provision();
  const { db: settings } = parseConfig(raw, { keys: false, env: {}, folder: scratchFolder });
  assert.equal(settings.dialect, "sqlite");
  await migrate(settings);
  using other = new DatabaseSync(settings.file);
  // As the last process does that closes the file.
  other.exec("pragma journal_mode = delete; begin exclusive");
  await using db = openDatabase(settings);
  const users = db.selectFrom("user").select("username").execute();
  await sleep(500); // retries are not observable
  other.exec("rollback");
  assert.deepEqual(await users, []);
  await cleanUp();
});

test("a worker that starts can be stopped while another process holds the file", async () => {
  const { raw, cleanUp } = await provision();
  const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
  assert.equal(config.db.dialect, "sqlite");
  await migrate(config.db);
  using other = new DatabaseSync(config.db.file);
  other.exec("pragma journal_mode = delete; begin exclusive");
  const worker = await createWorker(config, createLogTo({ write: () => undefined }, "info"));
  const started = assert.rejects(worker.start(), /stopped before the database was reachable/);
  await sleep(300); // retries are not observable
  await worker.stop();
  await started;
  await cleanUp();
});
