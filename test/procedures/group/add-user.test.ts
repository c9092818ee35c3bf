import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { assertNeedsAdmin } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`group_add_user on ${database}`, () => {
    let worker: TestWorker;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database });
      access_token = await worker.accessToken("root", ["admin"]);
      await worker.db.insertInto("group").values({ name: "dev" }).execute();
      await worker.db.insertInto("group").values({ name: "Dev" }).execute();
      await worker.db.insertInto("group").values({ name: "admin" }).execute();
    });
    after(() => worker[Symbol.asyncDispose]());

    const add = (groupname: unknown, username: unknown) =>
      worker.call("group_add_user", { groupname, username, access_token });
    const membersOf = async (groupname: string) =>
      dataOf(await worker.call("group_user", { groupname, access_token }))["users"] as string[];

    test("adds a user with the registered spelling, with a case-insensitive username", async () => {
      await worker.addUser("Newcomer", "correct horse");
      const { msg, ...rest } = dataOf(await add("dev", "nEWCOMER"));
      assert.deepEqual([typeof msg, rest], ["string", {}]);
      const members = await membersOf("dev");
      assert.ok(members.includes("Newcomer"), members.join(", "));
    });

    test("adds a member only once", async () => {
      await worker.addUser("Twice", "correct horse");
      for (const username of ["Twice", "Twice", "TWICE"]) dataOf(await add("dev", username));
      const same = (await membersOf("dev")).filter((name) => name.toLowerCase() === "twice");
      assert.deepEqual(same, ["Twice"]);
    });

    test("takes effect in the next access token of an open session", async () => {
      await worker.addUser("in-session", "correct horse");
      const id_token = await worker.login("in-session", "correct horse");
      dataOf(await add("admin", "in-session"));
      const reply = dataOf(await worker.call("token", { id_token }));
      assert.deepEqual(decodeJwt(reply["access_token"] as string)["groups"], ["admin"]);
    });

    test("compares group names exactly", async () => {
      await worker.addUser("exact-one", "correct horse");
      assertRefused(await add("DEV", "exact-one"), 404, "GROUP_NOT_FOUND");
      dataOf(await add("Dev", "exact-one"));
      const members = await membersOf("dev");
      assert.ok(!members.includes("exact-one"), members.join(", "));
      assert.deepEqual(await membersOf("Dev"), ["exact-one"]);
    });

    test("adds deactivated and directory users", async () => {
      await worker.addUser("sleeper", "correct horse", { activated: false });
      await worker.addUser("from-ldap", "", { authType: "LDAP" });
      for (const username of ["sleeper", "from-ldap"]) {
        dataOf(await add("dev", username));
        const members = await membersOf("dev");
        assert.ok(members.includes(username), members.join(", "));
      }
    });

    test("answers 404 for an unknown group or user", async () => {
      await worker.addUser("lonely", "correct horse");
      assertRefused(await add("not-there", "lonely"), 404, "GROUP_NOT_FOUND");
      assertRefused(await add("dev", "not-there"), 404, "USER_NOT_FOUND");
      assert.equal((await add("not-there", "not-there")).resp_code, 404);
    });

    test("names all fields that are missing, not strings or not valid", async () => {
      assertInvalid(await worker.call("group_add_user", { access_token }), "groupname", "username");
      for (const value of [null, 1, true, ["alice"], {}, "", "x".repeat(51), "devs\n", "d%v"]) {
        assertInvalid(await add(value, value), "groupname", "username");
      }
    });

    test("is for admins, not for the user", async () => {
      await worker.addUser("climber", "correct horse");
      await assertNeedsAdmin(worker, "group_add_user", { groupname: "dev", username: "climber" });
      const own = await worker.accessToken("climber", ["dev"]);
      const request = { groupname: "admin", username: "climber", access_token: own };
      assertRefused(await worker.call("group_add_user", request), 403, "FORBIDDEN");
      const members = await membersOf("admin");
      assert.ok(!members.includes("climber"), members.join(", "));
    });

    test("ignores unknown fields", async () => {
      await worker.addUser("simple", "correct horse");
      const request = { groupname: "Dev", username: "simple", access_token, users: ["climber"], role: 1 };
      dataOf(await worker.call("group_add_user", request));
      const members = await membersOf("Dev");
      assert.ok(!members.includes("climber"), members.join(", "));
    });
  });
}
