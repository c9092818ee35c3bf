import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { assertNeedsAdmin } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`group_remove_user on ${database}`, () => {
    let worker: TestWorker;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database });
      access_token = await worker.accessToken("root", ["admin"]);
      await worker.addUser("witness", "correct horse", { groups: ["dev", "Dev"] });
    });
    after(() => worker[Symbol.asyncDispose]());

    const remove = (groupname: unknown, username: unknown) =>
      worker.call("group_remove_user", { groupname, username, access_token });
    const groupsOf = async (username: string) =>
      dataOf(await worker.call("user_get", { username, access_token }))["groups"];

    test("removes a user from this group only, with a case-insensitive username", async () => {
      await worker.addUser("Leaver", "correct horse", { groups: ["dev", "ops"] });
      const { msg, ...rest } = dataOf(await remove("dev", "lEAVER"));
      assert.deepEqual([typeof msg, rest], ["string", {}]);
      assert.deepEqual(await groupsOf("leaver"), ["ops"]);
      assert.deepEqual(await groupsOf("witness"), ["Dev", "dev"]);
    });

    test("answers 200 for a user who is not a member", async () => {
      await worker.addUser("outsider", "correct horse", { groups: ["ops"] });
      for (let turn = 0; turn < 2; turn++) dataOf(await remove("dev", "outsider"));
      assert.deepEqual(await groupsOf("outsider"), ["ops"]);
    });

    test("takes effect in the next access token of an open session", async () => {
      await worker.addUser("in-session", "correct horse", { groups: ["dev", "ops"] });
      const id_token = await worker.login("in-session", "correct horse");
      dataOf(await remove("dev", "in-session"));
      const reply = dataOf(await worker.call("token", { id_token }));
      assert.deepEqual(decodeJwt(reply["access_token"] as string)["groups"], ["ops"]);
    });

    test("compares group names exactly", async () => {
      await worker.addUser("exact-one", "correct horse", { groups: ["dev", "Dev"] });
      assertRefused(await remove("DEV", "exact-one"), 404, "GROUP_NOT_FOUND");
      dataOf(await remove("Dev", "exact-one"));
      assert.deepEqual(await groupsOf("exact-one"), ["dev"]);
    });

    test("removes an admin while another one is left", async () => {
      for (const name of ["admin-1", "admin-2"]) {
        await worker.addUser(name, "correct horse", { groups: ["admin"] });
      }
      dataOf(await remove("admin", "admin-1"));
      assertRefused(await remove("admin", "ADMIN-2"), 409, "LAST_ADMIN");
      // Removing a user who is not a member succeeds, even if the admin group has only one member.
      dataOf(await remove("admin", "admin-1"));
      assert.deepEqual(await groupsOf("admin-2"), ["admin"]);
    });

    test("answers 404 for an unknown group or user", async () => {
      assertRefused(await remove("not-there", "witness"), 404, "GROUP_NOT_FOUND");
      assertRefused(await remove("dev", "not-there"), 404, "USER_NOT_FOUND");
      assert.equal((await remove("not-there", "not-there")).resp_code, 404);
    });

    test("names all fields that are missing, not strings or not valid", async () => {
      assertInvalid(await worker.call("group_remove_user", { access_token }), "groupname", "username");
      for (const value of [null, 1, true, ["alice"], {}, "", "x".repeat(51), "devs\n", "d%v"]) {
        assertInvalid(await remove(value, value), "groupname", "username");
      }
    });

    test("is for admins, not for the member", async () => {
      await assertNeedsAdmin(worker, "group_remove_user", { groupname: "dev", username: "witness" });
      const own = await worker.accessToken("witness", ["dev", "Dev"]);
      const request = { groupname: "dev", username: "witness", access_token: own };
      assertRefused(await worker.call("group_remove_user", request), 403, "FORBIDDEN");
      assert.deepEqual(await groupsOf("witness"), ["Dev", "dev"]);
    });

    test("ignores unknown fields", async () => {
      await worker.addUser("simple", "correct horse", { groups: ["ops"] });
      const request = { groupname: "ops", username: "simple", access_token, users: ["witness"], all: true };
      dataOf(await worker.call("group_remove_user", request));
      assert.deepEqual(await groupsOf("simple"), []);
    });
  });
}
