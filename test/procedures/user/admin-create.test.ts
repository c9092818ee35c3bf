import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAdmin } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`user_admin_create on ${database}`, () => {
    let worker: TestWorker;
    let access_token: string;
    before(async () => {
      // These settings do not apply to admins; allow_registration is false by default.
      worker = await startWorker({ database, config: { app_config: { auto_activate_accounts: false } } });
      access_token = await worker.accessToken("root", ["admin"]);
    });
    after(() => worker[Symbol.asyncDispose]());

    const create = (username: unknown, more: object = {}) =>
      worker.call("user_admin_create", {
        username,
        password: "correct horse",
        email: `${String(username)}@example.com`,
        access_token,
        ...more,
      });
    const rowOf = (username: string) =>
      worker.db
        .selectFrom("user")
        .selectAll()
        .where("username_key", "=", username.toLowerCase())
        .executeTakeFirst();

    test("creates an activated local account, even if registration is closed", async () => {
      const { success, msg, ...rest } = dataOf(await create("Created"));
      assert.deepEqual([success, typeof msg, rest], [true, "string", {}]);
      const row = await rowOf("created");
      assert.deepEqual([row?.username, row?.auth_type, row?.activated], ["Created", "LOCAL", 1]);
      await worker.login("created", "correct horse");
    });

    test("is for admins", async () => {
      const request = { username: "not-made", password: "correct horse", email: "not-made@example.com" };
      await assertNeedsAdmin(worker, "user_admin_create", request);
      assert.equal(await rowOf("not-made"), undefined);
    });

    test("does not reveal to a non-admin that a name is taken", async () => {
      await worker.addUser("secret-name", "correct horse");
      const plain = await worker.accessToken("plain", []);
      assertRefused(await create("secret-name", { access_token: plain }), 403, "FORBIDDEN");
    });

    test("rejects a username or email that is taken in any case, and changes nothing", async () => {
      dataOf(await create("Taken", { email: "Taken@Example.com" }));
      const again = { password: "another one", email: "free@example.com" };
      assertRefused(await create("tAKEN", again), 409, "USERNAME_TAKEN");
      assertRefused(await create("free-name", { email: "taken@example.COM" }), 409, "EMAIL_TAKEN");
      assert.equal(await rowOf("free-name"), undefined);
      await worker.login("taken", "correct horse");
    });

    test("rejects the name of a directory user", async () => {
      await worker.addUser("in-directory", "", { authType: "LDAP" });
      assertRefused(await create("IN-directory", { email: "new@example.com" }), 409, "USERNAME_TAKEN");
    });

    test("names all fields that are missing, of the wrong type or not valid", async () => {
      const paths = ["email", "password", "username"];
      assertInvalid(await worker.call("user_admin_create", { access_token }), ...paths);
      for (const value of [null, 1, true, [], {}]) {
        assertInvalid(await create(value, { password: value, email: value }), ...paths);
      }
      assertInvalid(await create("abc", { password: "abc", email: "abc" }), ...paths);
      const trailing = { password: "correct horse\n", email: "a@example.com\n" };
      assertInvalid(await create("name\n", trailing), ...paths);
    });

    test("limits new passwords to 72 bytes without NUL", async () => {
      dataOf(await create("full-size", { password: "x".repeat(72) }));
      for (const password of ["x".repeat(73), "ü".repeat(37), "abcd\0efgh"]) {
        assertInvalid(await create("too-much", { password }), "password");
      }
      assert.equal(await rowOf("too-much"), undefined);
    });

    test("limits email addresses to 100 characters", async () => {
      const longest = `${"m".repeat(64)}@${"d".repeat(31)}.com`;
      assertInvalid(await create("long-mail", { email: `x${longest}` }), "email");
      dataOf(await create("long-mail", { email: longest }));
      dataOf(await create("short-mail", { email: "a@example.co.uk" }));
    });

    for (const auth_type of ["LDAP", "KERBEROS"] as const) {
      test(`creates a ${auth_type} account without a password`, async () => {
        const username = `to-${auth_type}`;
        const email = `${username}@example.com`;
        const request = { username, email, auth_type, access_token };
        dataOf(await worker.call("user_admin_create", request));
        const row = await rowOf(username);
        assert.deepEqual([row?.auth_type, row?.activated, row?.password_hash], [auth_type, 1, null]);
        for (const password of ["", "correct horse"]) {
          const reply = await worker.call("login", { username, password });
          assertRefused(reply, 401, "INVALID_CREDENTIALS");
        }
        const again = { ...request, username: `${username}2`, email: `2${email}`, password: "correct horse" };
        assertInvalid(await worker.call("user_admin_create", again), "password");
        assert.equal(await rowOf(again.username), undefined);
      });
    }

    test("accepts only LOCAL, LDAP, KERBEROS and SERVICE as auth_type", async () => {
      dataOf(await create("said-local", { auth_type: "LOCAL" }));
      dataOf(await create("said-nothing", { auth_type: null }));
      for (const auth_type of ["", "local", "RADIUS", 1, ["LDAP"], { $ne: "" }]) {
        assertInvalid(await create("no-such-type", { auth_type }), "auth_type");
      }
      assertInvalid(await create("no-password", { auth_type: "LOCAL", password: undefined }), "password");
      assert.equal(await rowOf("no-such-type"), undefined);
    });

    test("ignores unknown fields", async () => {
      const more = { activated: false, groups: ["admin"], password_confirm: "other" };
      dataOf(await create("plain-one", more));
      const row = await rowOf("plain-one");
      assert.deepEqual([row?.auth_type, row?.activated], ["LOCAL", 1]);
      assert.deepEqual(await worker.db.selectFrom("usergroup").selectAll().execute(), []);
    });
  });
}
