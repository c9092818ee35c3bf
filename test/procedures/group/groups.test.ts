import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAccessToken, assertNeedsAdmin } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`groups on ${database}`, () => {
    let worker: TestWorker;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database });
      access_token = await worker.accessToken("root", ["admin"]);
    });
    after(() => worker[Symbol.asyncDispose]());

    const call = (queue: string, request: object) => worker.call(queue, { access_token, ...request });

    test("group_all is 204 without groups, lists them for any user, and needs a token", async () => {
      assert.deepEqual(dataOf(await call("group_all", {}), 204), { groups: [] });
      for (const groupname of ["zeta", "Alpha", "alpha"]) dataOf(await call("group_create", { groupname }));
      const plain = await worker.accessToken("plain");
      const { groups } = dataOf(await worker.call("group_all", { access_token: plain }));
      assert.deepEqual((groups as string[]).toSorted(), ["Alpha", "alpha", "zeta"]);
      await assertNeedsAccessToken(worker, "group_all", {});
    });

    test("group_create makes a group once, compared exactly", async () => {
      dataOf(await call("group_create", { groupname: "Twice" }));
      assertRefused(await call("group_create", { groupname: "Twice" }), 409, "GROUP_TAKEN");
      dataOf(await call("group_create", { groupname: "twice" }));
      for (const groupname of ["", "a b", "a".repeat(51), "ops\n", 7, null, ["ops"]]) {
        assertInvalid(await call("group_create", { groupname }), "groupname");
      }
      assertInvalid(await call("group_create", {}), "groupname");
      await assertNeedsAdmin(worker, "group_create", { groupname: "never" });
    });

    test("group_delete takes the memberships along, and never the admin group", async () => {
      await worker.addUser("deleted-from", "correct horse", { groups: ["short-lived"] });
      dataOf(await call("group_delete", { groupname: "short-lived" }));
      assertRefused(await call("group_delete", { groupname: "short-lived" }), 404, "GROUP_NOT_FOUND");
      const user = dataOf(await call("user_get", { username: "deleted-from" }));
      assert.deepEqual(user["groups"], []);
      assertRefused(await call("group_delete", { groupname: "admin" }), 409, "LAST_ADMIN");
      assertInvalid(await call("group_delete", { groupname: "a b" }), "groupname");
      await assertNeedsAdmin(worker, "group_delete", { groupname: "zeta" });
    });

    test("group_user lists the members, 200 also when there are none", async () => {
      dataOf(await call("group_create", { groupname: "members" }));
      assert.deepEqual(dataOf(await call("group_user", { groupname: "members" })), { users: [] });
      for (const name of ["walter", "anna"])
        await worker.addUser(name, "correct horse", { groups: ["members"] });
      assert.deepEqual(dataOf(await call("group_user", { groupname: "members" })), {
        users: ["anna", "walter"],
      });
      assertRefused(await call("group_user", { groupname: "Members" }), 404, "GROUP_NOT_FOUND");
      assertInvalid(await call("group_user", { groupname: {} }), "groupname");
      await assertNeedsAdmin(worker, "group_user", { groupname: "members" });
    });

    test("group_add_user and group_remove_user may be repeated, and keep the stored spelling", async () => {
      await worker.addUser("Berta", "correct horse");
      dataOf(await call("group_create", { groupname: "team" }));
      for (let round = 0; round < 2; round++) {
        const { msg } = dataOf(await call("group_add_user", { groupname: "team", username: "bERTA" }));
        assert.equal(msg, "added user Berta to group team");
        assert.deepEqual(dataOf(await call("group_user", { groupname: "team" })), { users: ["Berta"] });
      }
      for (let round = 0; round < 2; round++) {
        dataOf(await call("group_remove_user", { groupname: "team", username: "BERTA" }));
        assert.deepEqual(dataOf(await call("group_user", { groupname: "team" })), { users: [] });
      }
    });

    for (const queue of ["group_add_user", "group_remove_user"]) {
      test(`${queue} refuses who is not there, what is not valid, and who is no admin`, async () => {
        await worker.addUser(`for-${queue}`, "correct horse");
        const request = { groupname: "zeta", username: `for-${queue}` };
        assertRefused(await call(queue, { ...request, username: "not-there" }), 404, "USER_NOT_FOUND");
        assertRefused(await call(queue, { ...request, groupname: "not-there" }), 404, "GROUP_NOT_FOUND");
        assertInvalid(await call(queue, { groupname: "a b", username: "x" }), "groupname", "username");
        await assertNeedsAdmin(worker, queue, request);
      });
    }

    test("the last activated local administrator stays in the admin group", async () => {
      await worker.addUser("only-admin", "correct horse", { groups: ["admin"] });
      await worker.addUser("off-admin", "correct horse", { groups: ["admin"], activated: false });
      await worker.addUser("ldap-admin", "", { groups: ["admin"], authType: "LDAP" });
      const remove = { groupname: "admin", username: "only-admin" };
      assertRefused(await call("group_remove_user", remove), 409, "LAST_ADMIN");
      for (const username of ["off-admin", "ldap-admin"]) {
        dataOf(await call("group_remove_user", { groupname: "admin", username }));
      }
      await worker.addUser("second-admin", "correct horse", { groups: ["admin"] });
      dataOf(await call("group_remove_user", remove));
    });
  });
}
