import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { assertRefused } from "../support/replies.ts";
import { startWorker } from "../support/worker.ts";

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
