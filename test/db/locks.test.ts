import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, createConnection, type RowDataPacket } from "mysql2/promise";
import { assertRefused } from "../support/replies.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

/** Another session on the worker's database, in a transaction. */
async function openSession({ config }: TestWorker): Promise<Connection & AsyncDisposable> {
  assert.ok(config.db.dialect === "mysql");
  const { host, port, user, password, database } = config.db;
  const session = await createConnection({ host, port, user, password, database });
  await session.query("begin");
  return session;
}

/** Resolves when another session waits for a lock of this one's. */
async function isAwaited(session: Connection): Promise<void> {
  await waitUntil("a session that waits", async () => {
    await sleep(150); // InnoDB says the same again to whoever asks more often
    const [rows] = await session.query<RowDataPacket[]>(
      "select 1 from information_schema.innodb_lock_waits where blocking_trx_id = " +
        "(select trx_id from information_schema.innodb_trx where trx_mysql_thread_id = connection_id())",
    );
    return rows.length > 0;
  });
}

test("a request waits for a row that another session holds for three seconds, and succeeds", async () => {
  await using worker = await startWorker({ database: "mysql" });
  await worker.addUser("alice", "correct horse");
  const access_token = await worker.accessToken("alice");
  await using session = await openSession(worker);
  await session.query("select * from user where username = 'alice' for update");
  const change = worker.call("user_change", { username: "alice", email: "new@example.com", access_token });
  await isAwaited(session);
  await sleep(3000);
  await session.query("commit");
  assert.equal((await change).resp_code, 200);
  assert.equal(await emailOf(worker), "new@example.com");
});

test("a row that is held for longer than a request may take is 503, and the request has no effect later", async () => {
  await using worker = await startWorker({ database: "mysql" });
  await worker.addUser("alice", "correct horse");
  const id_token = await worker.login("alice", "correct horse");
  await using session = await openSession(worker);
  await session.query("select * from token for update");
  assertRefused(await worker.call("token", { id_token }), 503, "UNAVAILABLE");
  await session.query("commit");
  await sleep(2000); // longer than the server lets a statement wait
  const [token] = await worker.db.selectFrom("token").select("last_use").execute();
  assert.equal(token?.last_use, null);
  assert.equal((await worker.call("token", { id_token })).resp_code, 200);
});

test("a request waits for a backup that locks all tables for two seconds, and succeeds", async () => {
  await using worker = await startWorker({ database: "mysql" });
  const access_token = await worker.accessToken("root", ["admin"]);
  await using session = await openSession(worker);
  await session.query("lock tables `group` read, usergroup read, user read, token read");
  const creation = worker.call("group_create", { groupname: "blue", access_token });
  assert.equal((await worker.call("user_get", { username: "alice" })).resp_code, 404);
  await sleep(2000);
  await session.query("unlock tables");
  assert.equal((await creation).resp_code, 200);
});

test("requests that only read wait for tables that another session has locked for three seconds, and succeed", async () => {
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
  await sleep(3000);
  await session.query("unlock tables");
  const codes = (await Promise.all(reads)).map(({ resp_code }) => resp_code);
  assert.deepEqual(codes, [200, 200, 404]);
});

test("a read that a lock keeps waiting for longer than a request may take is 503 at its deadline", async () => {
  await using worker = await startWorker({ database: "mysql" });
  await worker.addUser("alice", "correct horse");
  await using session = await openSession(worker);
  await session.query("lock tables user write, token write, usergroup write");
  const sentAt = performance.now();
  assertRefused(await worker.call("user_get", { username: "alice" }), 503, "UNAVAILABLE");
  assert.ok(performance.now() - sentAt > 5000, "it was tried again for as long as a request may take");
  await session.query("unlock tables");
  assert.equal((await worker.call("user_get", { username: "alice" })).resp_code, 200);
});

test("a request that loses a deadlock is done again, and both sides succeed", async () => {
  await using worker = await startWorker({ database: "mysql" });
  await worker.addUser("alice", "correct horse", { groups: ["admin"] });
  await worker.addUser("other", "correct horse", { groups: ["admin"] });
  const access_token = await worker.accessToken("other", ["admin"]);
  await using session = await openSession(worker);
  // The server ends the transaction that has changed less: this one has changed a row.
  await session.query("update user set email = 'x@example.com' where username = 'alice'");
  const deletion = worker.call("user_delete", { username: "alice", access_token });
  await isAwaited(session);
  await session.query("select * from `group` where name = 'admin' for update");
  await session.query("commit");
  assert.equal((await deletion).resp_code, 200);
  const [rows] = await session.query<RowDataPacket[]>("select username from user");
  assert.deepEqual(
    rows.map(({ username }) => String(username)),
    ["other"],
  );
});

test("requests of two replicas that lock the same rows in every order all succeed", async () => {
  // A deadlock is told at once, whatever the limit; the disk of a busy machine is not what is tested.
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
