import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { toSqlTime } from "../../../src/db/time.ts";
import { craft, decodePart, secondsFromNow } from "../../tokens/craft.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`logout on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database });
    });
    after(() => worker[Symbol.asyncDispose]());

    const session = async (username: string, more: object = {}): Promise<string> => {
      await worker.addUser(username, "correct horse");
      return worker.login(username, "correct horse", more);
    };

    /** Without the time of publication, which is set meanwhile. */
    const revocationsOf = (username: string) =>
      worker.db
        .selectFrom("event")
        .select(["id", "actor", "data", "created_at"])
        .where("type", "=", "session.revoked")
        .where("username", "=", username)
        .execute();

    /** An ID token with other claims, signed with the installation's key. */
    const changed = (id_token: string, claims: Record<string, unknown>): Promise<string> =>
      craft(
        { alg: "EdDSA", ...decodePart(id_token, 0) },
        { ...decodePart(id_token, 1), ...claims },
        worker.config.signing!.key,
      );

    test("revokes the ID token", async () => {
      const id_token = await session("leaver");
      const { msg, ...rest } = dataOf(await worker.call("logout", { id_token }));
      assert.equal(typeof msg, "string");
      assert.deepEqual(rest, {});
      assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
    });

    test("has the same reply if the session has already ended, and publishes one event", async () => {
      const id_token = await session("twice");
      const first = dataOf(await worker.call("logout", { id_token }));
      assert.deepEqual(dataOf(await worker.call("logout", { id_token })), first);
      assert.equal((await revocationsOf("twice")).length, 1);
    });

    test("with the ID token of a replaced session does not end the newer session", async () => {
      const earlier = await session("renewed");
      const newer = await worker.login("renewed", "correct horse");
      const before = await revocationsOf("renewed");
      dataOf(await worker.call("logout", { id_token: earlier }));
      dataOf(await worker.call("token", { id_token: newer }));
      assert.deepEqual(await revocationsOf("renewed"), before);
    });

    test("answers 200 after a new password, a revocation and the deletion of the account", async () => {
      const access_token = await worker.accessToken("root", ["admin"]);
      const ends = {
        user_change: { password: "quite another one" },
        session_revoke: {},
        user_delete: {},
      };
      for (const [queue, more] of Object.entries(ends)) {
        const username = queue.replaceAll("_", "-");
        const id_token = await session(username);
        dataOf(await worker.call(queue, { username, access_token, ...more }));
        assert.deepEqual(dataOf(await worker.call("logout", { id_token })), {
          msg: `logged out ${username}`,
        });
        assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
      }
    });

    test("with the ID token of a deleted account does not end the session of a new account", async () => {
      const access_token = await worker.accessToken("root", ["admin"]);
      const earlier = await session("namesake");
      dataOf(await worker.call("user_delete", { username: "namesake", access_token }));
      const newer = await session("namesake");
      dataOf(await worker.call("logout", { id_token: earlier }));
      dataOf(await worker.call("token", { id_token: newer }));
    });

    test("rejects an expired ID token, with or without a session in the database", async () => {
      for (const isKept of [true, false]) {
        const username = `expired-${String(isKept)}`;
        const id_token = await session(username);
        const expired = await changed(id_token, { exp: secondsFromNow(-1) });
        const rows = worker.db
          .updateTable("token")
          .set({ valid_until: toSqlTime(new Date(Date.now() - 500)) });
        await rows.where("user_id", "=", username).execute();
        if (!isKept) await worker.db.deleteFrom("token").where("user_id", "=", username).execute();
        assertRefused(await worker.call("logout", { id_token: expired }), 401, "INVALID_TOKEN");
        assert.deepEqual(await revocationsOf(username), []);
      }
    });

    test("rejects the ID token of an ended session from another address", async () => {
      const id_token = await session("moved", { ip: "192.0.2.7" });
      dataOf(await worker.call("logout", { id_token, ip: "192.0.2.7" }));
      for (const ip of [undefined, null, "*", "192.0.2.8"])
        assertRefused(await worker.call("logout", { id_token, ip }), 401, "INVALID_TOKEN");
      dataOf(await worker.call("logout", { id_token, ip: "192.0.2.7" }));
    });

    test("ends the session once for concurrent requests", async () => {
      const id_token = await session("crowd");
      const replies = await Promise.all(
        Array.from({ length: 12 }, () => worker.call("logout", { id_token })),
      );
      for (const reply of replies) dataOf(reply);
      assert.equal((await revocationsOf("crowd")).length, 1);
    });

    test("does not end other sessions, and lets the user log in again", async () => {
      const leaver = await session("leaver-2");
      const other = await session("other-2");
      await worker.call("logout", { id_token: leaver });
      dataOf(await worker.call("token", { id_token: other }));
      const again = await worker.login("leaver-2", "correct horse");
      dataOf(await worker.call("token", { id_token: again }));
    });

    test("needs an ID token", async () => {
      const id_token = await session("holder");
      const accessToken = await worker.accessToken("holder");
      const bad = [undefined, null, "", "no token", accessToken, `${id_token}x`, id_token.slice(0, -4)];
      for (const given of bad) {
        assertRefused(await worker.call("logout", { id_token: given }), 401, "INVALID_TOKEN");
      }
      assertRefused(await worker.call("logout", { access_token: id_token }), 401, "INVALID_TOKEN");
      for (const given of [1, true, [id_token], { id_token }]) {
        assertInvalid(await worker.call("logout", { id_token: given }), "id_token");
      }
      dataOf(await worker.call("token", { id_token }));
    });

    test("accepts a bound token only from its address", async () => {
      const id_token = await session("bound", { ip: "192.0.2.7" });
      for (const ip of [undefined, null, "*", "192.0.2.8", "::192.0.2.7"]) {
        assertRefused(await worker.call("logout", { id_token, ip }), 401, "INVALID_TOKEN");
      }
      assertInvalid(await worker.call("logout", { id_token, ip: "192.0.2.07" }), "ip");
      dataOf(await worker.call("logout", { id_token, ip: "::ffff:192.0.2.7" }));
    });

    test("accepts an unbound token from any address and ignores unknown fields", async () => {
      const id_token = await session("unbound");
      dataOf(await worker.call("logout", { id_token, ip: "2001:db8::5", username: 1, force: true }));
    });

    test("works for a deactivated account", async () => {
      const id_token = await session("turned-off");
      await worker.db
        .updateTable("user")
        .set({ activated: 0 })
        .where("username", "=", "turned-off")
        .execute();
      dataOf(await worker.call("logout", { id_token }));
    });
  });
}
