import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { waitUntil } from "../../support/servers/scratch.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

const PASSWORD = "correct horse battery";

for (const database of DATABASES) {
  describe(`several sessions of a user on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database, config: { app_config: { sessions_per_user: 3 } } });
      await worker.startReplica();
    });
    after(() => worker[Symbol.asyncDispose]());

    const isAlive = async (id_token: string): Promise<boolean> =>
      (await worker.call("token", { id_token })).resp_code === 200;
    const rowsOf = (username: string) =>
      worker.db.selectFrom("token").selectAll().where("user_id", "=", username).execute();

    test("live beside each other up to the limit; one more login ends the least recently used one", async () => {
      await worker.addUser("alice", PASSWORD);
      const [first, second, third] = [
        await worker.login("alice", PASSWORD),
        await worker.login("alice", PASSWORD),
        await worker.login("alice", PASSWORD),
      ];
      assert.ok(await isAlive(first), "the oldest one is used");
      const fourth = await worker.login("alice", PASSWORD);
      assert.deepEqual(
        [await isAlive(first), await isAlive(second), await isAlive(third), await isAlive(fourth)],
        [true, false, true, true],
      );
    });

    test("are compared by their latest uses, also by those of the last second", async () => {
      // Other workers learn of a use within a second.
      await using alone = await startWorker({ database, config: { app_config: { sessions_per_user: 3 } } });
      await alone.addUser("quick", PASSWORD);
      const tokens: string[] = [];
      for (let n = 0; n < 3; n++) tokens.push(await alone.login("quick", PASSWORD));
      const [first = "", second = "", third = ""] = tokens;
      const use = async (id_token: string) => dataOf(await alone.call("token", { id_token }));
      const order = [first, second, third, second, third, first];
      for (const id_token of order) await use(id_token);
      const access_token = await alone.accessToken("root", ["admin"]);
      const latest = async () => {
        const user = dataOf(await alone.call("user_get", { username: "quick", access_token }));
        const { sessions } = dataOf(await alone.call("session_all", { username: "quick", access_token }));
        return [(user["token_info"] as { kid: string }).kid, (sessions as { sid: string }[])[0]?.sid];
      };
      const sid = decodeJwt(first)["sid"];
      assert.deepEqual(await latest(), [sid, sid]);
      // The batch writes three different times.
      const times = await waitUntil("the batch", async () => {
        const rows = await alone.db.selectFrom("token").select(["token_id", "last_use"]).execute();
        const { last_use } = rows.find(({ token_id }) => String(token_id) === sid) ?? {};
        return rows.every((row) => (row.last_use ?? "") <= (last_use ?? "")) ? rows : undefined;
      });
      assert.equal(new Set(times.map(({ last_use }) => last_use)).size, 3);
      assert.deepEqual(await latest(), [sid, sid]);
      await use(third);
      await use(second);
      // Both uses may still be unwritten: the first session is now the least recently used one.
      await alone.login("quick", PASSWORD);
      assert.equal((await alone.call("token", { id_token: first })).resp_code, 401);
      for (const id_token of [second, third]) await use(id_token);
    });

    test("have their id as sid in both tokens, the same as the ID token's kid", async () => {
      await worker.addUser("sid-user", PASSWORD);
      const id_token = await worker.login("sid-user", PASSWORD);
      const { kid } = decodeProtectedHeader(id_token);
      const { access_token } = dataOf(await worker.call("token", { id_token }));
      assert.equal(decodeJwt(id_token)["sid"], kid);
      assert.equal(decodeJwt(access_token as string)["sid"], kid);
    });

    test("expired ones take no place", async () => {
      await worker.addUser("late", PASSWORD);
      const old = await worker.login("late", PASSWORD);
      await worker.db
        .updateTable("token")
        .set({ valid_until: "2020-01-01 00:00:00.000" })
        .where("user_id", "=", "late")
        .execute();
      const live = [
        await worker.login("late", PASSWORD),
        await worker.login("late", PASSWORD),
        await worker.login("late", PASSWORD),
      ];
      assert.equal(await isAlive(old), false);
      for (const id_token of live)
        assert.ok(await isAlive(id_token), "a session was ended for an expired one");
    });

    test("twenty logins at once on two workers leave as many sessions as the limit allows", async () => {
      await worker.addUser("racer", PASSWORD);
      const tokens = await Promise.all(Array.from({ length: 20 }, () => worker.login("racer", PASSWORD)));
      assert.equal((await rowsOf("racer")).length, 3);
      const alive = await Promise.all(tokens.map(isAlive));
      assert.equal(alive.filter(Boolean).length, 3);
    });

    test("a login reports the session that it ended as an event, with its id and the reason", async () => {
      await worker.addUser("evicted", PASSWORD);
      const first = await worker.login("evicted", PASSWORD);
      for (let n = 0; n < 3; n++) await worker.login("evicted", PASSWORD);
      const events = await worker.db
        .selectFrom("event")
        .select(["type", "data"])
        .where("username", "=", "evicted")
        .where("type", "=", "session.revoked")
        .execute();
      assert.deepEqual(
        events.map(({ data }) => JSON.parse(data) as unknown),
        [{ sid: decodeJwt(first)["sid"], reason: "limit" }],
      );
    });

    test("a new password ends all of them, or with keep_session all others", async () => {
      await worker.addUser("changer", PASSWORD);
      const other = await worker.login("changer", PASSWORD);
      const id_token = await worker.login("changer", PASSWORD);
      const { access_token } = dataOf(await worker.call("token", { id_token }));
      const change = { username: "changer", access_token };
      const kept = { ...change, password: "another good password", keep_session: true };
      dataOf(await worker.call("user_change", kept));
      assert.deepEqual([await isAlive(other), await isAlive(id_token)], [false, true]);
      dataOf(await worker.call("user_change", { ...change, password: "a third good password" }));
      assert.equal(await isAlive(id_token), false);
    });

    test("user_get has the one used last and their number", async () => {
      await worker.addUser("counted", PASSWORD);
      await worker.login("counted", PASSWORD);
      const access_token = await worker.ownToken("counted", PASSWORD, { vhost: "latest" });
      const user = dataOf(await worker.call("user_get", { username: "counted", access_token }));
      assert.equal(user["sessions"], 2);
      assert.equal((user["token_info"] as { vhost: string }).vhost, "latest");
    });

    test("a label has 1 to 100 characters without control characters", async () => {
      await worker.addUser("labelled", PASSWORD);
      const login = (client: unknown) =>
        worker.call("login", { username: "labelled", password: PASSWORD, client });
      for (const client of ["", "x".repeat(101), "a\nb", "\u0000", 1, [], {}])
        assertInvalid(await login(client), "client");
      for (const client of ["x".repeat(100), "😀", null, undefined]) dataOf(await login(client));
    });
  });
}

describe("one session per user, the default", () => {
  test("a login ends the previous session", async () => {
    await using worker = await startWorker();
    await worker.addUser("alice", PASSWORD);
    const first = await worker.login("alice", PASSWORD);
    const second = await worker.login("alice", PASSWORD);
    assertRefused(await worker.call("token", { id_token: first }), 401, "INVALID_TOKEN");
    dataOf(await worker.call("token", { id_token: second }));
  });
});
