import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { toSqlTime } from "../../../src/db/time.ts";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`user_delete on ${database}`, () => {
    let worker: TestWorker;
    let admin: string;
    before(async () => {
      worker = await startWorker({ database });
      admin = await worker.accessToken("root", ["admin"]);
    });
    after(() => worker[Symbol.asyncDispose]());

    const remove = (username: unknown, access_token: string) =>
      worker.call("user_delete", { username, access_token });
    const exists = async (username: string): Promise<boolean> =>
      (
        await worker.db
          .selectFrom("user")
          .select("username")
          .where("username_key", "=", username.toLowerCase())
          .execute()
      ).length > 0;

    test("lets an admin delete any user, with a case-insensitive name", async () => {
      await worker.addUser("Victim", "correct horse");
      const { success, msg, ...rest } = dataOf(await remove("vICTIM", admin));
      assert.deepEqual([success, typeof msg, rest], [true, "string", {}]);
      assert.equal(await exists("Victim"), false);
      const login = await worker.call("login", { username: "victim", password: "correct horse" });
      assertRefused(login, 401, "INVALID_CREDENTIALS");
    });

    test("lets users delete themselves, with a case-insensitive name", async () => {
      await worker.addUser("Leaver", "correct horse");
      dataOf(await remove("leaver", await worker.accessToken("Leaver")));
      assert.equal(await exists("Leaver"), false);
    });

    test("deletes the ID token and memberships of the user only", async () => {
      for (const name of ["member-1", "member-2"]) {
        await worker.addUser(name, "correct horse", { groups: ["dev", "ops"] });
      }
      const gone = await worker.login("member-1", "correct horse");
      const stays = await worker.login("member-2", "correct horse");
      dataOf(await remove("member-1", admin));
      assertRefused(await worker.call("token", { id_token: gone }), 401, "INVALID_TOKEN");
      dataOf(await worker.call("token", { id_token: stays }));
      const owners = await worker.db.selectFrom("token").select("user_id").execute();
      assert.deepEqual(
        owners.map(({ user_id }) => user_id),
        ["member-2"],
      );
      const members = await worker.db.selectFrom("usergroup").selectAll().orderBy("groupname").execute();
      assert.deepEqual(
        members.map(({ username, groupname }) => [username, groupname]),
        [
          ["member-2", "dev"],
          ["member-2", "ops"],
        ],
      );
    });

    test("frees the name and email address, and a new account inherits nothing", async () => {
      await worker.addUser("Phoenix", "correct horse", { groups: ["secret-club"] });
      dataOf(await remove("Phoenix", admin));
      const again = { username: "PHOENIX", password: "another one", email: "phoenix@example.com" };
      dataOf(await worker.call("user_admin_create", { ...again, access_token: admin }));
      const user = dataOf(await worker.call("user_get", { username: "phoenix", access_token: admin }));
      assert.deepEqual([user["username"], user["groups"], user["token_info"]], ["PHOENIX", [], null]);
    });

    test("deletes directory users", async () => {
      await worker.addUser("from-ldap", "", { authType: "LDAP" });
      dataOf(await remove("from-ldap", admin));
      assert.equal(await exists("from-ldap"), false);
    });

    test("needs an access token", async () => {
      await worker.addUser("kept-one", "correct horse");
      await assertNeedsAccessToken(worker, "user_delete", { username: "kept-one" });
      assert.equal(await exists("kept-one"), true);
    });

    test("answers a non-admin the same for existing and unknown users", async () => {
      await worker.addUser("another", "correct horse");
      await worker.addUser("plain", "correct horse");
      const token = await worker.accessToken("plain", ["dev"]);
      for (const username of ["another", "not-there"]) {
        assertRefused(await remove(username, token), 403, "FORBIDDEN");
      }
      assert.equal(await exists("another"), true);
    });

    test("answers 404 for an unknown user, to an admin and to the deleted user", async () => {
      assertRefused(await remove("not-there", admin), 404, "USER_NOT_FOUND");
      await worker.addUser("fast-one", "correct horse");
      const token = await worker.accessToken("fast-one");
      dataOf(await remove("fast-one", token));
      assertRefused(await remove("fast-one", token), 404, "USER_NOT_FOUND");
    });

    test("rejects the token of a deleted user for a new account of that name", async () => {
      await worker.addUser("namesake", "correct horse");
      const token = await worker.accessToken("namesake");
      const created_at = toSqlTime(new Date(Date.now() + 60_000)); // created again, a minute after the token
      await worker.db.updateTable("user").set({ created_at }).where("username", "=", "namesake").execute();
      assertRefused(await remove("namesake", token), 401, "INVALID_TOKEN");
      assert.equal(await exists("namesake"), true);
    });

    test("rejects a deactivated user", async () => {
      await worker.addUser("turned-off", "correct horse", { activated: false });
      const token = await worker.accessToken("turned-off");
      assertRefused(await remove("turned-off", token), 403, "ACCOUNT_NOT_ACTIVATED");
      dataOf(await remove("turned-off", admin));
    });

    test("rejects a username that is missing, not a string or not valid", async () => {
      assertInvalid(await worker.call("user_delete", { access_token: admin }), "username");
      for (const username of [
        null,
        1,
        true,
        ["victim"],
        {},
        "",
        "abc",
        "victim\n",
        "vic%im",
        "n".repeat(31),
      ]) {
        assertInvalid(await remove(username, admin), "username");
      }
    });

    test("ignores unknown fields", async () => {
      await worker.addUser("unknown-1", "correct horse");
      const more = { all: true, usernames: ["kept-one"] };
      dataOf(await worker.call("user_delete", { username: "unknown-1", access_token: admin, ...more }));
    });
  });
}
