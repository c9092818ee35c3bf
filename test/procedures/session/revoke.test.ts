import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { connectKeyed } from "../../support/keyed-caller.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

const PASSWORD = "correct horse battery";

for (const database of DATABASES) {
  describe(`session_revoke on ${database}`, () => {
    let worker: TestWorker;
    /** A worker whose users may have several sessions. */
    let several: TestWorker;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database });
      several = await startWorker({ database, config: { app_config: { sessions_per_user: 5 } } });
      await several.addUser("carol", PASSWORD);
      await several.addUser("davey", PASSWORD);
      access_token = await worker.accessToken("root", ["admin"]);
      await worker.addUser("Alice", PASSWORD);
      await worker.addUser("bobby", PASSWORD);
    });
    after(async () => {
      await worker[Symbol.asyncDispose]();
      await several[Symbol.asyncDispose]();
    });

    const revoke = (username: unknown) => worker.call("session_revoke", { username, access_token });

    test("revokes only the user's session, with a case-insensitive username", async () => {
      const [hers, his] = [await worker.login("Alice", PASSWORD), await worker.login("bobby", PASSWORD)];
      assert.deepEqual(dataOf(await revoke("ALICE")), { msg: "revoked 1 session of Alice" });
      assertRefused(await worker.call("token", { id_token: hers }), 401, "INVALID_TOKEN");
      assert.equal((await worker.call("token", { id_token: his })).resp_code, 200);
    });

    test("succeeds for a user without a session, with another message", async () => {
      await revoke("alice");
      assert.deepEqual(dataOf(await revoke("alice")), { msg: "Alice has no session" });
    });

    test("lets the user log in again, and does not change the account", async () => {
      const accounts = async () => {
        const rows = await worker.db.selectFrom("user").selectAll().orderBy("username").execute();
        return rows.map((account) => ({ ...account, last_login_at: "changes at a login" }));
      };
      const before = await accounts();
      const first = await worker.login("Alice", PASSWORD);
      await revoke("Alice");
      const second = await worker.login("Alice", PASSWORD);
      assert.equal((await worker.call("token", { id_token: second })).resp_code, 200);
      assert.equal((await worker.call("token", { id_token: first })).resp_code, 401);
      assert.deepEqual(await accounts(), before);
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
      for (const username of [1, [], {}, "a b", "x".repeat(101)])
        assertInvalid(await revoke(username), "username");
    });

    test("is for admins, and for users about their own sessions", async () => {
      await assertNeedsAccessToken(worker, "session_revoke", { username: "Alice" });
      const own = await worker.ownToken("bobby", PASSWORD);
      const foreign = await worker.call("session_revoke", { username: "Alice", access_token: own });
      assertRefused(foreign, 403, "FORBIDDEN");
      const reply = await worker.call("session_revoke", { access_token: own });
      assert.deepEqual(dataOf(reply), { msg: "revoked 1 session of bobby" });
      assertRefused(await worker.call("session_all", { access_token: own }), 401, "INVALID_TOKEN");
    });

    test("revokes one session by its sid, and only one of that user", async () => {
      const [first, second] = [
        await several.login("carol", PASSWORD),
        await several.login("carol", PASSWORD),
      ];
      const { access_token: hers } = dataOf(await several.call("token", { id_token: second }));
      const { sid } = decodeJwt(first);
      const byDave = await several.ownToken("davey", PASSWORD);
      const theft = await several.call("session_revoke", { access_token: byDave, sid });
      assertRefused(theft, 404, "SESSION_NOT_FOUND");
      const reply = await several.call("session_revoke", { access_token: hers, sid });
      assert.deepEqual(dataOf(reply), { msg: `revoked the session ${String(sid)} of carol` });
      assertRefused(await several.call("token", { id_token: first }), 401, "INVALID_TOKEN");
      dataOf(await several.call("token", { id_token: second }));
      for (const other of [sid, "0", "-1", "x", "9".repeat(19), "9".repeat(40)])
        assertRefused(
          await several.call("session_revoke", { access_token: hers, sid: other }),
          404,
          "SESSION_NOT_FOUND",
        );
      assertInvalid(await several.call("session_revoke", { access_token: hers, sid: 1 }), "sid");
    });

    test("answers 404 for a session that has expired", async () => {
      const [old, own] = [await several.login("davey", PASSWORD), await several.ownToken("davey", PASSWORD)];
      const { sid } = decodeJwt(old);
      await several.db
        .updateTable("token")
        .set({ valid_until: "2020-01-01 00:00:00.000" })
        .where("token_id", "=", BigInt(String(sid)))
        .execute();
      const reply = await several.call("session_revoke", { access_token: own, sid });
      assertRefused(reply, 404, "SESSION_NOT_FOUND");
    });
  });
}
