import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { toSqlTime } from "../../../src/db/time.ts";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`user_change on ${database}`, () => {
    let worker: TestWorker;
    let admin: string;
    before(async () => {
      worker = await startWorker({ database });
      admin = await worker.accessToken("root", ["admin"]);
    });
    after(() => worker[Symbol.asyncDispose]());

    const change = (username: string, access_token: string, changes: object) =>
      worker.call("user_change", { username, access_token, ...changes });
    const rowOf = (username: string) =>
      worker.db
        .selectFrom("user")
        .selectAll()
        .where("username_key", "=", username.toLowerCase())
        .executeTakeFirstOrThrow();
    const loginCode = async (username: string, password: string): Promise<number> =>
      (await worker.call("login", { username, password })).resp_code;

    test("lets users change their password without the old one, and revokes the ID token", async () => {
      await worker.addUser("Owner", "correct horse");
      const id_token = await worker.login("Owner", "correct horse");
      const { access_token } = dataOf(await worker.call("token", { id_token }));
      const reply = await change("oWNER", access_token as string, { password: "battery staple" });
      const { success, msg, ...rest } = dataOf(reply);
      assert.deepEqual([success, typeof msg, rest], [true, "string", {}]);
      assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
      assert.equal(await loginCode("owner", "correct horse"), 401);
      assert.equal(await loginCode("owner", "battery staple"), 200);
      assert.equal((await rowOf("owner")).username, "Owner");
    });

    test("lets an admin change a user's password, and revokes only that user's ID token", async () => {
      await worker.addUser("changed", "correct horse");
      await worker.addUser("witness", "correct horse");
      const revoked = await worker.login("changed", "correct horse");
      const untouched = await worker.login("witness", "correct horse");
      dataOf(await change("CHANGED", admin, { password: "battery staple" }));
      assertRefused(await worker.call("token", { id_token: revoked }), 401, "INVALID_TOKEN");
      dataOf(await worker.call("token", { id_token: untouched }));
      assert.equal(await loginCode("changed", "battery staple"), 200);
    });

    test("revokes the ID token even if the new password is the old one", async () => {
      await worker.addUser("same-again", "correct horse");
      const id_token = await worker.login("same-again", "correct horse");
      dataOf(await change("same-again", admin, { password: "correct horse" }));
      assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
    });

    test("changes an email address, but not session, password and name", async () => {
      await worker.addUser("Mover", "correct horse");
      const id_token = await worker.login("mover", "correct horse");
      const token = await worker.accessToken("Mover");
      dataOf(await change("mover", token, { email: "a@example.co.uk" }));
      assert.equal((await rowOf("mover")).email, "a@example.co.uk");
      dataOf(await worker.call("token", { id_token }));
      // The user's own address in another case is not taken.
      dataOf(await change("mover", token, { email: "A@Example.co.uk" }));
      assert.equal((await rowOf("mover")).email, "A@Example.co.uk");
    });

    test("changes all given fields or none", async () => {
      await worker.addUser("mail-owner", "correct horse", { email: "Occupied@Example.com" });
      await worker.addUser("atomic", "correct horse");
      const id_token = await worker.login("atomic", "correct horse");
      const before = await rowOf("atomic");
      const changes = { password: "battery staple", email: "occupied@example.COM", activated: false };
      assertRefused(await change("atomic", admin, changes), 409, "EMAIL_TAKEN");
      assert.deepEqual(await rowOf("atomic"), before);
      dataOf(await worker.call("token", { id_token }));
      assert.equal(await loginCode("atomic", "correct horse"), 200);

      dataOf(await change("atomic", admin, { ...changes, email: "free@example.com" }));
      const { email, activated } = await rowOf("atomic");
      assert.deepEqual([email, activated], ["free@example.com", 0]);
      assert.equal(await loginCode("atomic", "battery staple"), 403);
    });

    test("lets only an admin set activated, and otherwise changes nothing", async () => {
      await worker.addUser("self-made", "correct horse");
      const token = await worker.accessToken("self-made", ["dev"]);
      const before = await rowOf("self-made");
      for (const activated of [true, false]) {
        assertRefused(await change("self-made", token, { activated }), 403, "FORBIDDEN");
        const both = { activated, password: "battery staple" };
        assertRefused(await change("self-made", token, both), 403, "FORBIDDEN");
      }
      assert.deepEqual(await rowOf("self-made"), before);
    });

    test("deactivates and reactivates an account", async () => {
      await worker.addUser("switched", "correct horse");
      const id_token = await worker.login("switched", "correct horse");
      dataOf(await change("switched", admin, { activated: false }));
      assertRefused(await worker.call("token", { id_token }), 403, "ACCOUNT_NOT_ACTIVATED");
      assert.equal(await loginCode("switched", "correct horse"), 403);
      dataOf(await change("switched", admin, { activated: false }));
      dataOf(await change("switched", admin, { activated: true }));
      // A stolen session, the reason for the deactivation, must not work again.
      assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
      const fresh = await worker.login("switched", "correct horse");
      dataOf(await change("switched", admin, { activated: true }));
      dataOf(await worker.call("token", { id_token: fresh }));
    });

    test("rejects a deactivated user", async () => {
      await worker.addUser("turned-off", "correct horse", { activated: false });
      const token = await worker.accessToken("turned-off");
      const reply = await change("turned-off", token, { password: "battery staple" });
      assertRefused(reply, 403, "ACCOUNT_NOT_ACTIVATED");
      assert.equal(await loginCode("turned-off", "correct horse"), 403);
    });

    for (const authType of ["LDAP", "KERBEROS"] as const) {
      test(`does not change password and email of ${authType} users`, async () => {
        const username = `from-${authType}`;
        await worker.addUser(username, "", { authType });
        const before = await rowOf(username);
        const own = await worker.accessToken(username);
        for (const changes of [{ password: "battery staple" }, { email: "new@example.com" }]) {
          for (const token of [admin, own]) {
            assertRefused(await change(username, token, changes), 400, "NOT_LOCAL");
          }
          assertRefused(await change(username, admin, { ...changes, activated: false }), 400, "NOT_LOCAL");
        }
        assert.deepEqual(await rowOf(username), before);
        dataOf(await change(username, admin, { activated: false }));
        assert.equal((await rowOf(username)).activated, 0);
      });
    }

    test("needs an access token", async () => {
      await worker.addUser("guarded", "correct horse");
      await assertNeedsAccessToken(worker, "user_change", { username: "guarded", password: "battery" });
      assert.equal(await loginCode("guarded", "correct horse"), 200);
    });

    test("answers a non-admin the same for existing and unknown users", async () => {
      await worker.addUser("neighbour", "correct horse");
      await worker.addUser("plain", "correct horse");
      const token = await worker.accessToken("plain", ["dev"]);
      for (const username of ["neighbour", "not-there"]) {
        assertRefused(await change(username, token, { password: "battery staple" }), 403, "FORBIDDEN");
      }
      assert.equal(await loginCode("neighbour", "correct horse"), 200);
    });

    test("answers 404 for an unknown user, to an admin and to the deleted user", async () => {
      const changes = { email: "nobody@example.com" };
      assertRefused(await change("not-there", admin, changes), 404, "USER_NOT_FOUND");
      const token = await worker.accessToken("not-there");
      assertRefused(await change("not-there", token, changes), 404, "USER_NOT_FOUND");
    });

    test("rejects the token of a deleted user for a new account of that name", async () => {
      await worker.addUser("namesake", "correct horse");
      const token = await worker.accessToken("namesake");
      const created_at = toSqlTime(new Date(Date.now() + 60_000)); // created again, a minute after the token
      await worker.db.updateTable("user").set({ created_at }).where("username", "=", "namesake").execute();
      const reply = await change("namesake", token, { password: "battery staple" });
      assertRefused(reply, 401, "INVALID_TOKEN");
      assert.equal(await loginCode("namesake", "correct horse"), 200);
    });

    test("names all fields that are missing, of the wrong type or not valid", async () => {
      await worker.addUser("checked", "correct horse");
      const before = await rowOf("checked");
      for (const value of [1, "yes", [], {}]) {
        const reply = await change("checked", admin, { password: value, email: value, activated: value });
        assertInvalid(reply, "activated", "email", "password");
      }
      for (const password of ["abc", "abcd\n", "abcd\0", "x".repeat(73), "ü".repeat(37)]) {
        assertInvalid(await change("checked", admin, { password }), "password");
      }
      for (const email of ["", "name", "a@example.com\n", `${"m".repeat(93)}@d.co.uk`]) {
        assertInvalid(await change("checked", admin, { email }), "email");
      }
      const nulls = { password: null, email: null, activated: null };
      assertInvalid(await change("checked", admin, nulls), "");
      assertInvalid(await worker.call("user_change", { access_token: admin, ...nulls }), "", "username");
      const nameless = { access_token: admin, activated: true };
      assertInvalid(await worker.call("user_change", nameless), "username");
      for (const username of [null, 1, ["checked"], "abc", "checked\n"]) {
        assertInvalid(await worker.call("user_change", { ...nameless, username }), "username");
      }
      assert.deepEqual(await rowOf("checked"), before);
    });

    test("rejects a request without a change, and ignores unknown fields", async () => {
      await worker.addUser("unchanged", "correct horse");
      for (const changes of [{}, { groups: ["admin"], auth_type: "LDAP", new_username: "other" }]) {
        assert.equal((await change("unchanged", admin, changes)).resp_code, 400);
      }
      dataOf(await change("unchanged", admin, { email: "u@example.com", auth_type: "LDAP", created_at: 1 }));
      assert.equal((await rowOf("unchanged")).auth_type, "LOCAL");
    });

    test("never shows the new password in a reply or the log", async () => {
      await worker.addUser("quiet-one", "correct horse");
      const password = "Xyzzy-do-not-repeat";
      const replies = [
        await change("quiet-one", admin, { password }),
        await change("quiet-one", admin, { password: `${password}\0` }),
        await change("not-there", admin, { password }),
      ];
      assert.ok(!JSON.stringify(replies).includes(password), "the password is in a reply");
      assert.ok(!worker.log.join("").includes(password), "the password is in the log");
    });
  });
}
