import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { fromSqlTime } from "../../../src/db/time.ts";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`user_get on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database });
      await worker.addUser("Alice", "correct horse", { groups: ["ops", "dev"], email: "Al@Example.com" });
    });
    after(() => worker[Symbol.asyncDispose]());

    const get = async (username: string, access_token?: string) =>
      dataOf(await worker.call("user_get", { username, access_token }));
    const basicOf = async (username: string) => {
      const query = worker.db
        .selectFrom("user")
        .selectAll()
        .where("username_key", "=", username.toLowerCase());
      const row = await query.executeTakeFirstOrThrow();
      const created_at = fromSqlTime(row.created_at).toISOString();
      return { username: row.username, activated: row.activated === 1, created_at };
    };

    test("returns username, activated and created_at to callers without a token", async () => {
      const basic = await basicOf("Alice");
      assert.equal(basic.username, "Alice");
      for (const username of ["Alice", "aLICE"]) assert.deepEqual(await get(username), basic);
    });

    test("returns the same fields to other users", async () => {
      const token = await worker.accessToken("bobby", ["dev", "admins"]);
      assert.deepEqual(await get("alice", token), await basicOf("Alice"));
    });

    test("also returns groups and session to the user", async () => {
      const token = await worker.accessToken("Alice");
      const basic = await basicOf("Alice");
      await worker.db.deleteFrom("token").execute();
      const groups = ["dev", "ops"];
      assert.deepEqual(await get("aLICE", token), {
        ...basic,
        groups,
        email_verified: false,
        token_info: null,
        sessions: 0,
      });

      const id_token = await worker.login("alice", "correct horse", { vhost: "test", ip: "192.0.2.1" });
      const row = await worker.db.selectFrom("token").selectAll().executeTakeFirstOrThrow();
      const valid_until = fromSqlTime(row.valid_until).toISOString();
      const unused = { valid_until, last_use: null, vhost: "test" };
      assert.deepEqual(await get("alice", token), {
        ...basic,
        groups,
        email_verified: false,
        token_info: unused,
        sessions: 1,
      });

      dataOf(await worker.call("token", { id_token, ip: "192.0.2.1" }));
      const used = await worker.db.selectFrom("token").selectAll().executeTakeFirstOrThrow();
      const last_use = fromSqlTime(used.last_use!).toISOString();
      assert.deepEqual(await get("alice", token), {
        ...basic,
        groups,
        email_verified: false,
        token_info: { ...unused, last_use },
        sessions: 1,
      });
    });

    test("also returns email, auth_type, kid, ip and sign_method to an admin", async () => {
      const token = await worker.accessToken("root", ["admin"]);
      const basic = await basicOf("Alice");
      const all = {
        ...basic,
        groups: ["dev", "ops"],
        email_verified: false,
        email: "Al@Example.com",
        auth_type: "LOCAL",
      };
      await worker.db.deleteFrom("token").execute();
      assert.deepEqual(await get("alice", token), { ...all, token_info: null, sessions: 0 });

      await worker.login("alice", "correct horse", { ip: "::ffff:192.0.2.1" });
      const row = await worker.db.selectFrom("token").selectAll().executeTakeFirstOrThrow();
      assert.deepEqual(await get("alice", token), {
        ...all,
        token_info: {
          valid_until: fromSqlTime(row.valid_until).toISOString(),
          last_use: null,
          vhost: "prod",
          kid: row.token_id.toString(),
          ip: "192.0.2.1",
          sign_method: "EdDSA",
        },
        sessions: 1,
      });
    });

    test("returns the admin fields to an admin who asks about itself", async () => {
      await worker.addUser("boss", "correct horse", { groups: ["admin"] });
      const user = await get("boss", await worker.accessToken("boss", ["admin"]));
      assert.deepEqual([user["email"], user["groups"]], ["boss@example.com", ["admin"]]);
    });

    test("returns deactivated and directory users", async () => {
      await worker.addUser("sleeper", "correct horse", { activated: false });
      assert.equal((await get("sleeper"))["activated"], false);
      await worker.addUser("from-ldap", "", { authType: "LDAP" });
      const user = await get("from-ldap", await worker.accessToken("root", ["admin"]));
      assert.deepEqual([user["auth_type"], user["activated"]], ["LDAP", true]);
    });

    test("answers 401 for an invalid token, and does not treat it as absent", async () => {
      const good = await worker.accessToken("Alice");
      const idToken = await worker.login("alice", "correct horse");
      for (const access_token of ["", "x", `${good}x`, good.slice(1), idToken]) {
        const reply = await worker.call("user_get", { username: "alice", access_token });
        assertRefused(reply, 401, "INVALID_TOKEN");
      }
      for (const access_token of [1, false, [good], {}]) {
        assertInvalid(await worker.call("user_get", { username: "alice", access_token }), "access_token");
      }
    });

    test("answers 404 for an unknown user", async () => {
      for (const access_token of [undefined, await worker.accessToken("root", ["admin"])]) {
        const reply = await worker.call("user_get", { username: "not-there", access_token });
        assertRefused(reply, 404, "USER_NOT_FOUND");
      }
    });

    test("accepts exactly the usernames that the default pattern allows", async () => {
      const character = fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom("a", "z", "A", "Z", "0", "9", "-", "_") },
        fc.constantFrom(
          "\n",
          "\r",
          "\0",
          " ",
          ".",
          "%",
          "'",
          "`",
          "*",
          "?",
          "\\",
          "ä",
          "ſ",
          "K",
          "\ud800",
          "😀",
        ),
      );
      const name = fc.array(character, { maxLength: 34 }).map((characters) => characters.join(""));
      await fc.assert(
        fc.asyncProperty(name, async (username) => {
          const reply = await worker.call("user_get", { username });
          const allowed = /^[a-zA-Z0-9_-]{4,30}$/.test(username);
          if (allowed) assertRefused(reply, 404, "USER_NOT_FOUND");
          else assertInvalid(reply, "username");
        }),
        { numRuns: 150 },
      );
    });

    test("rejects a username that is missing or not a string, and ignores unknown fields", async () => {
      assertInvalid(await worker.call("user_get", {}), "username");
      for (const username of [null, 1, true, ["Alice"], { username: "Alice" }]) {
        assertInvalid(await worker.call("user_get", { username }), "username");
      }
      const reply = await worker.call("user_get", { username: "alice", groups: 1, fields: ["email"] });
      assert.deepEqual(dataOf(reply), await basicOf("Alice"));
    });
  });

  describe(`user_get on ${database} with anonymous_user_get off`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database, config: { app_config: { anonymous_user_get: false } } });
      await worker.addUser("alice", "correct horse");
    });
    after(() => worker[Symbol.asyncDispose]());

    test("requires an access token, and otherwise does not reveal which names exist", async () => {
      await assertNeedsAccessToken(worker, "user_get", { username: "alice" });
      await assertNeedsAccessToken(worker, "user_get", { username: "not-there" });
    });

    test("returns the basic fields to any user", async () => {
      const access_token = await worker.accessToken("bobby");
      const user = dataOf(await worker.call("user_get", { username: "alice", access_token }));
      assert.deepEqual(Object.keys(user).sort(), ["activated", "created_at", "username"]);
    });
  });
}
