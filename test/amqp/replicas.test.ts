import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, test } from "node:test";
import { sql } from "kysely";
import { closeConnections } from "../support/broker-connections.ts";
import { createDatabase, dropDatabase } from "../support/database.ts";
import { untilBlocked } from "../support/lock-waits.ts";
import { lastLine } from "../support/log-lines.ts";
import { startProxy } from "../support/proxy.ts";
import { bodyOf, connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

const PASSWORD = "correct horse";

/** A message that expires after 200 ms has expired when its statement has waited for this long. */
const EXPIRED = { ms: 250 };

for (const database of DATABASES) {
  describe(`a worker that loses its connection during a request on ${database}`, () => {
    test("sends no reply, and the redelivered request gets one", async () => {
      await using worker = await startWorker({ database });
      await worker.addUser("slow", PASSWORD, { cost: 13 });
      await using caller = await connectRaw(worker.url);
      const body = JSON.stringify({ username: "slow", password: PASSWORD });
      for (let index = 0; index < 2; index++) {
        const correlationId = `login-${index}`;
        caller.publish("login", body, { correlationId });
        await caller.channel.checkQueue("login");
        await closeConnections(worker.vhost, "requests");
        const replies = await caller.settledReplies(correlationId);
        assert.equal(replies.length, 1);
        assert.equal(bodyOf(replies[0]).resp_code, 200);
        const { id_token } = bodyOf(replies[0]).resp_data;
        assert.equal((await worker.call("token", { id_token })).resp_code, 200);
      }
    });
  });
}

describe("a request with a slow database", () => {
  const hold = async (
    worker: TestWorker,
    lock = sql`select * from ${sql.table("group")} where name = 'admin' for update`,
  ) => {
    const held = Promise.withResolvers<undefined>();
    const released = Promise.withResolvers<undefined>();
    const done = worker.db.transaction().execute(async (trx) => {
      await lock.execute(trx);
      held.resolve(undefined);
      await released.promise;
    });
    await held.promise;
    return async (): Promise<void> => {
      released.resolve(undefined);
      await done;
    };
  };

  test("has no effect and no reply after its expiration", async () => {
    await using worker = await startWorker({ database: "mysql" });
    await worker.addUser("root", PASSWORD, { groups: ["admin"] });
    await worker.addUser("victim", PASSWORD);
    await using caller = await connectRaw(worker.url);
    const access_token = await worker.accessToken("root", ["admin"]);
    const release = await hold(worker);
    const body = JSON.stringify({ username: "victim", access_token });
    caller.publish("user_delete", body, { correlationId: "late", expiration: 200 });
    await untilBlocked(worker.db, EXPIRED);
    await release();
    await waitUntil("the end of the request", async () => {
      const { consumerCount, messageCount } = await caller.channel.checkQueue("user_delete");
      return consumerCount === 1 && messageCount === 0;
    });
    await worker.worker.stop();
    const { counters } = await lastLine(worker, "stopped");
    assert.deepEqual((counters as Record<string, unknown>)["requests_expired_total"], { user_delete: 1 });
    assert.equal(caller.replies.length, 0);
    const victim = await worker.db.selectFrom("user").where("username", "=", "victim").selectAll().execute();
    assert.equal(victim.length, 1);
  });

  test("has no effect after its expiration when only the recording of its reply is late", async () => {
    await using worker = await startWorker({ database: "mysql" });
    await using caller = await connectRaw(worker.url);
    const access_token = await worker.accessToken("root", ["admin"]);
    const request = JSON.stringify({ groupname: "late", access_token });
    const properties = { correlationId: "same", timestamp: 1 };
    caller.publish("group_create", request, properties);
    await caller.firstReply("same");
    await worker.call("group_delete", { groupname: "late", access_token });
    // The same message again, which replaces the recorded reply of the first.
    const release = await hold(worker, sql`select * from rpc_inbox for update`);
    caller.publish("group_create", request, { ...properties, expiration: 200 });
    await untilBlocked(worker.db, EXPIRED);
    await release();
    await worker.worker.stop();
    assert.equal(caller.replies.length, 1);
    assert.deepEqual(await worker.db.selectFrom("group").selectAll().execute(), []);
  });

  test("does not revoke a session after its expiration", async () => {
    await using worker = await startWorker({ database: "mysql" });
    await worker.addUser("alice", PASSWORD);
    await using caller = await connectRaw(worker.url);
    const id_token = await worker.login("alice", PASSWORD);
    const release = await hold(worker, sql`select * from token for update`);
    caller.publish("logout", JSON.stringify({ id_token }), { correlationId: "late", expiration: 200 });
    await untilBlocked(worker.db, EXPIRED);
    await release();
    await worker.worker.stop();
    assert.equal(caller.replies.length, 0);
    assert.equal((await worker.db.selectFrom("token").selectAll().execute()).length, 1);
  });

  test("succeeds when the database is lost right after the commit", async () => {
    const database = await createDatabase();
    await using proxy = await startProxy(database.port);
    const db_settings = { dialect: "mysql", ...database, port: proxy.port, file: undefined };
    {
      await using worker = await startWorker({ config: { db_settings } });
      await worker.addUser("alice", PASSWORD);
      const cut = (message: unknown): void => {
        if ((message as { stage: string }).stage === "committed") proxy.cut();
      };
      subscribe("authmq.request.stage", cut);
      const reply = await worker.call("login", { username: "alice", password: PASSWORD });
      unsubscribe("authmq.request.stage", cut);
      assert.equal(reply.resp_code, 200);
      proxy.restore();
      const { id_token } = reply.resp_data;
      assert.equal((await worker.call("token", { id_token })).resp_code, 200);
    }
    await dropDatabase(database.database);
  });

  test("gets 503 after nine seconds, and has no effect afterwards", async () => {
    await using worker = await startWorker({ database: "mysql" });
    await worker.addUser("root", PASSWORD, { groups: ["admin"] });
    await worker.addUser("victim", PASSWORD);
    const access_token = await worker.accessToken("root", ["admin"]);
    const release = await hold(worker);
    const { resp_code, resp_data } = await worker.call("user_delete", { username: "victim", access_token });
    assert.deepEqual([resp_code, resp_data["error"]], [503, "UNAVAILABLE"]);
    await release();
    await worker.worker.stop();
    const victim = await worker.db.selectFrom("user").where("username", "=", "victim").selectAll().execute();
    assert.equal(victim.length, 1);
  });
});
