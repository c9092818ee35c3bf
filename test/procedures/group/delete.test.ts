import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAdmin } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`group_delete on ${database}`, () => {
    let worker: TestWorker;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database });
      access_token = await worker.accessToken("root", ["admin"]);
    });
    after(() => worker[Symbol.asyncDispose]());

    const remove = (groupname: unknown) => worker.call("group_delete", { groupname, access_token });
    const groupsOf = async (username: string) =>
      dataOf(await worker.call("user_get", { username, access_token }))["groups"];
    const groups = async (): Promise<string[]> =>
      (await worker.db.selectFrom("group").select("name").execute()).map(({ name }) => name);

    test("deletes the group and its memberships, but not its members", async () => {
      await worker.addUser("member", "correct horse", { groups: ["gone", "stays"] });
      const { msg, ...rest } = dataOf(await remove("gone"));
      assert.deepEqual([typeof msg, rest], ["string", {}]);
      assert.deepEqual(await groupsOf("member"), ["stays"]);
      const left = await groups();
      assert.ok(!left.includes("gone"), left.join(", "));
      await worker.login("member", "correct horse");
    });

    test("does not restore old members if the group is created again", async () => {
      await worker.addUser("old-member", "correct horse", { groups: ["again"] });
      dataOf(await remove("again"));
      dataOf(await worker.call("group_create", { groupname: "again", access_token }));
      assert.deepEqual(await groupsOf("old-member"), []);
    });

    test("compares names exactly", async () => {
      await worker.addUser("twofold", "correct horse", { groups: ["Case", "case"] });
      assertRefused(await remove("CASE"), 404, "GROUP_NOT_FOUND");
      dataOf(await remove("case"));
      assert.deepEqual(await groupsOf("twofold"), ["Case"]);
    });

    test("never deletes the admin group", async () => {
      for (const name of ["admin-1", "admin-2"]) {
        await worker.addUser(name, "correct horse", { groups: ["admin"] });
      }
      assertRefused(await remove("admin"), 409, "LAST_ADMIN");
      assert.deepEqual(await groupsOf("admin-1"), ["admin"]);
    });

    test("deletes a group whose name differs from the admin group in case", async () => {
      dataOf(await worker.call("group_create", { groupname: "Admin", access_token }));
      dataOf(await remove("Admin"));
    });

    test("answers 404 for an unknown group", async () => {
      assertRefused(await remove("not-there"), 404, "GROUP_NOT_FOUND");
    });

    test("rejects a name that is missing, not a string or not valid", async () => {
      assertInvalid(await worker.call("group_delete", { access_token }), "groupname");
      for (const groupname of [null, 1, true, ["x"], {}, "", "g".repeat(51), "stays\n", "%"]) {
        assertInvalid(await remove(groupname), "groupname");
      }
    });

    test("is for admins", async () => {
      await worker.call("group_create", { groupname: "guarded", access_token });
      await assertNeedsAdmin(worker, "group_delete", { groupname: "guarded" });
      const left = await groups();
      assert.ok(left.includes("guarded"), left.join(", "));
    });

    test("ignores unknown fields", async () => {
      await worker.call("group_create", { groupname: "simple", access_token });
      const more = { force: true, groups: ["guarded"] };
      dataOf(await worker.call("group_delete", { groupname: "simple", access_token, ...more }));
      const left = await groups();
      assert.ok(left.includes("guarded"), left.join(", "));
    });
  });

  describe(`group_delete on ${database} with an admin group of another name`, () => {
    test("never deletes that group, but deletes a group named admin", async () => {
      await using worker = await startWorker({
        database,
        config: { app_config: { admin_group: "wheel" } },
      });
      await worker.addUser("boss", "correct horse", { groups: ["wheel", "admin"] });
      const admin = await worker.accessToken("boss", ["admin"]);
      const wheel = await worker.accessToken("boss", ["wheel"]);
      const remove = (groupname: string, access_token: string) =>
        worker.call("group_delete", { groupname, access_token });
      assertRefused(await remove("admin", admin), 403, "FORBIDDEN");
      assertRefused(await remove("wheel", wheel), 409, "LAST_ADMIN");
      dataOf(await remove("admin", wheel));
    });
  });
}
