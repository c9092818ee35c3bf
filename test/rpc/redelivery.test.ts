import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connectKeyed } from "../support/keyed-caller.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { DATABASES, startWorker } from "../support/worker.ts";

const PASSWORD = "correct horse";

for (const database of DATABASES) {
  describe(`redelivered messages without an idempotency key on ${database}`, () => {
    test("get the reply to the first delivery, and have no second effect", async () => {
      await using worker = await startWorker({ database });
      await using caller = await connectKeyed(worker);
      const access_token = await worker.accessToken("root", ["admin"]);
      const request = { groupname: "made-once", access_token };
      const properties = { correlationId: "one" };
      const first = await caller.call(undefined, "group_create", request, properties);
      assert.equal(first.resp_code, 200);
      // Another user undoes the effect between the deliveries: it must not be repeated.
      await worker.call("group_delete", { groupname: "made-once", access_token });
      await worker.worker.stop();
      const reply = await caller.callRedelivered("group_create", request, properties);
      const other = await caller.callRedelivered("group_create", request, { correlationId: "two" });
      await worker.startReplica();
      assert.deepEqual(await reply(), first);
      assert.equal((await other()).resp_code, 200, "the other message was not executed");
      const { groups } = (await worker.call("group_all", { access_token })).resp_data;
      assert.deepEqual(groups, ["made-once"], "the group of the other message");
    });

    test("get the same error again, even if they could succeed by now", async () => {
      await using worker = await startWorker({ database });
      await using caller = await connectKeyed(worker);
      const access_token = await worker.accessToken("root", ["admin"]);
      const request = { groupname: "not-there", access_token };
      const properties = { correlationId: "one" };
      const first = await caller.call(undefined, "group_delete", request, properties);
      assert.equal(first.resp_code, 404);
      await worker.call("group_create", { groupname: "not-there", access_token });
      await worker.worker.stop();
      const again = await caller.callRedelivered("group_delete", request, properties);
      await worker.startReplica();
      assert.deepEqual(await again(), first);
    });

    test("return the ID token of a login again", async () => {
      await using worker = await startWorker({ database });
      await using caller = await connectKeyed(worker);
      await worker.addUser("alice", PASSWORD);
      const request = { username: "alice", password: PASSWORD };
      const properties = { correlationId: "one" };
      const first = await caller.call(undefined, "login", request, properties);
      await worker.worker.stop();
      const again = await caller.callRedelivered("login", request, properties);
      await worker.startReplica();
      const { expires_in, ...sameEachTime } = first.resp_data;
      const { expires_in: left, ...data } = (await again()).resp_data;
      assert.deepEqual(data, sameEachTime);
      assert.ok(Number(left) <= Number(expires_in), "expires_in is not counted from now");
      const { id_token } = data;
      assert.equal((await worker.call("token", { id_token })).resp_code, 200);
    });

    test("repeat a logout without an error", async () => {
      await using worker = await startWorker({ database });
      await using caller = await connectKeyed(worker);
      await worker.addUser("alice", PASSWORD);
      const id_token = await worker.login("alice", PASSWORD);
      const properties = { correlationId: "one" };
      const first = await caller.call(undefined, "logout", { id_token }, properties);
      await worker.worker.stop();
      const again = await caller.callRedelivered("logout", { id_token }, properties);
      await worker.startReplica();
      assert.deepEqual(await again(), first);
    });

    test("leave no recorded attempt once they are answered", async () => {
      await using worker = await startWorker({ database });
      await using caller = await connectKeyed(worker);
      await worker.worker.stop();
      const replies = [
        await caller.callRedelivered("user_get", { username: "alice" }, {}),
        await caller.callRedelivered("user_get", { username: 1 }, {}),
        await caller.callRedelivered("group_all", { access_token: "none" }, {}),
      ];
      await worker.startReplica();
      const codes = await Promise.all(replies.map(async (reply) => (await reply()).resp_code));
      assert.deepEqual(codes, [404, 400, 401]);
      await waitUntil("no recorded attempt", async () => {
        const attempts = await worker.db.selectFrom("rpc_attempt").selectAll().execute();
        return attempts.length === 0;
      });
    });
  });
}
