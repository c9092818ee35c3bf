import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, test } from "node:test";
import { sql } from "kysely";
import { closeConnections } from "../support/broker-connections.ts";
import { lastLine } from "../support/log-lines.ts";
import { bodyOf, connectRaw } from "../support/raw-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { DATABASES, startWorker } from "../support/worker.ts";

const PASSWORD = "correct horse";

for (const database of DATABASES) {
  describe(`a worker that loses its connection in the middle of a request on ${database}`, () => {
    test("leaves the answer to whoever gets the message again", async () => {
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

describe("a request whose database is slow", () => {
  const hold = async (worker: Awaited<ReturnType<typeof startWorker>>) => {
    const held = Promise.withResolvers<undefined>();
    const released = Promise.withResolvers<undefined>();
    const done = worker.db.transaction().execute(async (trx) => {
      await sql`select * from ${sql.table("group")} where name = 'admin' for update`.execute(trx);
      held.resolve(undefined);
      await released.promise;
    });
    await held.promise;
    return async (): Promise<void> => {
      released.resolve(undefined);
      await done;
    };
  };

  test("has no effect after its expiration, and no answer", async () => {
    await using worker = await startWorker({ database: "mysql" });
    await worker.addUser("root", PASSWORD, { groups: ["admin"] });
    await worker.addUser("victim", PASSWORD);
    await using caller = await connectRaw(worker.url);
    const access_token = await worker.accessToken("root", ["admin"]);
    const release = await hold(worker);
    const body = JSON.stringify({ username: "victim", access_token });
    caller.publish("user_delete", body, { correlationId: "late", expiration: 200 });
    await sleep(600);
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

  test("is answered 503 after nine seconds, and has no effect then", async () => {
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
