import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAdmin } from "../../support/access-rules.ts";
import { connectKeyed } from "../../support/keyed-caller.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

const PASSWORD = "correct horse battery";

for (const database of DATABASES) {
  describe(`session_revoke on ${database}`, () => {
    let worker: TestWorker;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database });
      access_token = await worker.accessToken("root", ["admin"]);
      await worker.addUser("Alice", PASSWORD);
      await worker.addUser("bobby", PASSWORD);
    });
    after(() => worker[Symbol.asyncDispose]());

    const revoke = (username: unknown) => worker.call("session_revoke", { username, access_token });

    test("revokes only the user's session, with a case-insensitive username", async () => {
      const [hers, his] = [await worker.login("Alice", PASSWORD), await worker.login("bobby", PASSWORD)];
      assert.deepEqual(dataOf(await revoke("ALICE")), { msg: "revoked the session of Alice" });
      assertRefused(await worker.call("token", { id_token: hers }), 401, "INVALID_TOKEN");
      assert.equal((await worker.call("token", { id_token: his })).resp_code, 200);
    });

    test("succeeds for a user without a session, with another message", async () => {
      await revoke("alice");
      assert.deepEqual(dataOf(await revoke("alice")), { msg: "Alice has no session" });
    });

    test("lets the user log in again, and does not change the account", async () => {
      const before = await worker.db.selectFrom("user").selectAll().orderBy("username").execute();
      const first = await worker.login("Alice", PASSWORD);
      await revoke("Alice");
      const second = await worker.login("Alice", PASSWORD);
      assert.equal((await worker.call("token", { id_token: second })).resp_code, 200);
      assert.equal((await worker.call("token", { id_token: first })).resp_code, 401);
      assert.deepEqual(await worker.db.selectFrom("user").selectAll().orderBy("username").execute(), before);
    });

    test("discards a recorded use that is not written yet", async () => {
      const id_token = await worker.login("Alice", PASSWORD);
      for (let n = 0; n < 3; n++) await worker.call("token", { id_token });
      await revoke("Alice");
      const { token_info } = dataOf(await worker.call("user_get", { username: "Alice", access_token }));
      assert.equal(token_info, null);
      await worker.worker.stop(); // writes recorded uses
      assert.deepEqual(
        await worker.db.selectFrom("token").selectAll().where("user_id", "=", "Alice").execute(),
        [],
      );
      await worker.startReplica();
    });

    test("has the same reply for a retry, and does not revoke a later session", async () => {
      await using caller = await connectKeyed(worker);
      await worker.login("Alice", PASSWORD);
      const request = { username: "Alice", access_token };
      const first = await caller.call("revoke-1", "session_revoke", request);
      const id_token = await worker.login("Alice", PASSWORD);
      assert.deepEqual(await caller.call("revoke-1", "session_revoke", request), first);
      assert.equal((await worker.call("token", { id_token })).resp_code, 200);
    });

    test("answers 404 for an unknown user", async () => {
      assertRefused(await revoke("nobody"), 404, "USER_NOT_FOUND");
    });

    test("rejects an invalid username", async () => {
      for (const username of [undefined, null, 1, [], {}, "a b", "x".repeat(101)])
        assertInvalid(await revoke(username), "username");
    });

    test("is for admins, not for the user", async () => {
      await assertNeedsAdmin(worker, "session_revoke", { username: "Alice" });
      const own = await worker.accessToken("Alice", []);
      const reply = await worker.call("session_revoke", { username: "Alice", access_token: own });
      assertRefused(reply, 403, "FORBIDDEN");
    });
  });
}
