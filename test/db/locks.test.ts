import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Connection, createConnection, type RowDataPacket } from "mysql2/promise";
import { runningFor, untilBlocked } from "../support/lock-waits.ts";
import { assertRefused } from "../support/replies.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

/** Opens another session on the worker's database, in a transaction. */
async function openSession({ config }: TestWorker): Promise<Connection & AsyncDisposable> {
  assert.equal(config.db.dialect, "mysql");
  const { host, port, user, password, database } = config.db;
  const session = await createConnection({ host, port, user, password, database });
  await session.query("begin");
  return session;
}

/** Resolves when `count` statements have timed out on a lock and their retries wait for it. */
async function untilRetried({ db }: TestWorker, count = 1): Promise<void> {
  const first = await untilBlocked(db, { count });
  await untilBlocked(db, { count, except: first });
}

test("a request succeeds after another session locked its row for longer than one attempt", async () => {
  await using worker = await startWorker({ database: "mysql" });
  await worker.addUser("alice", "correct horse");
  const access_token = await worker.accessToken("alice");
  await using session = await openSession(worker);
  await session.query("select * from user where username = 'alice' for update");
  const change = worker.call("user_change", { username: "alice", email: "new@example.com", access_token });
  await untilRetried(worker);
  await session.query("commit");
  assert.equal((await change).resp_code, 200);
  assert.equal(await emailOf(worker), "new@example.com");
});

test("a request succeeds after a backup locked all tables for longer than one attempt", async () => {
  await using worker = await startWorker({ database: "mysql" });
  const access_token = await worker.accessToken("root", ["admin"]);
  await using session = await openSession(worker);
  await session.query("lock tables `group` read, usergroup read, user read, token read");
  const creation = worker.call("group_create", { groupname: "blue", access_token });
  assert.equal((await worker.call("user_get", { username: "alice" })).resp_code, 404);
  await untilRetried(worker);
  await session.query("unlock tables");
  assert.equal((await creation).resp_code, 200);
});

test("reads succeed after their tables were locked for longer than one attempt", async () => {
  await using worker = await startWorker({ database: "mysql" });
  await worker.addUser("alice", "correct horse");
  const access_token = await worker.accessToken("root", ["admin"]);
  await using session = await openSession(worker);
  await session.query("lock tables `group` write, usergroup write, user write, token write");
  const reads = [
    worker.call("user_get", { username: "alice" }),
    worker.call("user_all", { access_token }),
    worker.call("group_user", { groupname: "admin", access_token }),
  ];
  await untilRetried(worker, reads.length);
  await session.query("unlock tables");
  const codes = (await Promise.all(reads)).map(({ resp_code }) => resp_code);
  assert.deepEqual(codes, [200, 200, 404]);
});

// Each of these takes a full request deadline: nine seconds.
describe("a lock that is held for longer than the request deadline", { concurrency: true }, () => {
  test("on a row makes the request 503, and the request has no effect later", async () => {
    await using worker = await startWorker({ database: "mysql" });
    await worker.addUser("alice", "correct horse");
    const id_token = await worker.login("alice", "correct horse");
    await using session = await openSession(worker);
    await session.query("select * from token for update");
    assertRefused(await worker.call("token", { id_token }), 503, "UNAVAILABLE");
    await session.query("commit");
    await waitUntil("the end of the statement", async () => (await runningFor(worker.db, 0)).length === 0);
    const [token] = await worker.db.selectFrom("token").select("last_use").execute();
    assert.equal(token?.last_use, null);
    assert.equal((await worker.call("token", { id_token })).resp_code, 200);
  });

  test("on a table makes a read 503 at its deadline", async () => {
    await using worker = await startWorker({ database: "mysql" });
    await worker.addUser("alice", "correct horse");
    await using session = await openSession(worker);
    await session.query("lock tables user write, token write, usergroup write");
    const sentAt = performance.now();
    assertRefused(await worker.call("user_get", { username: "alice" }), 503, "UNAVAILABLE");
    assert.ok(performance.now() - sentAt > 5000, "it was not retried until the deadline");
    await session.query("unlock tables");
    assert.equal((await worker.call("user_get", { username: "alice" })).resp_code, 200);
  });
});

test("a request that loses a deadlock is retried, and both transactions succeed", async () => {
  await using worker = await startWorker({ database: "mysql" });
  await worker.addUser("alice", "correct horse", { groups: ["admin"] });
  await worker.addUser("other", "correct horse", { groups: ["admin"] });
  const access_token = await worker.accessToken("other", ["admin"]);
  await using session = await openSession(worker);
  // The server rolls back the transaction with fewer changes: this one has changed a row.
  await session.query("update user set email = 'x@example.com' where username = 'alice'");
  const deletion = worker.call("user_delete", { username: "alice", access_token });
  await untilBlocked(worker.db);
  await session.query("select * from `group` where name = 'admin' for update");
  await session.query("commit");
  assert.equal((await deletion).resp_code, 200);
  const [rows] = await session.query<RowDataPacket[]>("select username from user");
  assert.deepEqual(
    rows.map(({ username }) => String(username)),
    ["other"],
  );
});

test("requests to two replicas that lock the same rows in any order all succeed", async () => {
  // A deadlock is reported at once, whatever the timeout; a slow disk is not under test.
  await using worker = await startWorker({
    database: "mysql",
    config: { db_settings: { timeout_ms: 8000 } },
  });
  await worker.startReplica();
  const access_token = await worker.accessToken("root", ["admin"]);
  const users = ["alice", "bobby"];
  const groups = ["blue", "green"];
  for (const username of users) await worker.addUser(username, "correct horse", { groups });
  const calls = users.flatMap((username) =>
    groups.flatMap((groupname) => [
      worker.call("group_remove_user", { username, groupname, access_token }),
      worker.call("group_add_user", { username, groupname, access_token }),
      worker.call("user_change", { username, activated: true, access_token }),
    ]),
  );
  const codes = (await Promise.all(calls)).map(({ resp_code }) => resp_code);
  assert.deepEqual([...new Set(codes)], [200]);
});

async function emailOf({ db }: TestWorker): Promise<string | null | undefined> {
  const row = await db.selectFrom("user").select("email").where("username", "=", "alice").executeTakeFirst();
  return row?.email;
}
