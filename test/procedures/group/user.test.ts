import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAdmin } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`group_user on ${database}`, () => {
    let worker: TestWorker;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database });
      access_token = await worker.accessToken("root", ["admin"]);
      await worker.addUser("Alice", "correct horse", { groups: ["dev", "ops"] });
      await worker.addUser("bobby", "correct horse", { groups: ["dev"], activated: false });
      await worker.addUser("carol", "", { groups: ["dev"], authType: "LDAP" });
    });
    after(() => worker[Symbol.asyncDispose]());

    const members = (groupname: unknown) => worker.call("group_user", { groupname, access_token });

    test("lists the members of this group as registered", async () => {
      assert.deepEqual(dataOf(await members("dev")), { users: ["Alice", "bobby", "carol"] });
      assert.deepEqual(dataOf(await members("ops")), { users: ["Alice"] });
    });

    test("answers 200 with an empty list for a group without members", async () => {
      await worker.db.insertInto("group").values({ name: "empty" }).execute();
      assert.deepEqual(dataOf(await members("empty")), { users: [] });
    });

    test("returns pages of the members, and an empty page with 200", async () => {
      const page = (request: object) => worker.call("group_user", { ...request, access_token });
      assert.deepEqual(dataOf(await page({ groupname: "dev", limit: 2 })), {
        users: ["Alice", "bobby"],
        next: "bobby",
      });
      assert.deepEqual(dataOf(await page({ groupname: "dev", limit: 2, after: "BOBBY" })), {
        users: ["carol"],
      });
      assert.deepEqual(dataOf(await page({ groupname: "dev", q: "aL" })), { users: ["Alice"] });
      assert.deepEqual(dataOf(await page({ groupname: "ops", after: "Alice" })), { users: [] });
      assertRefused(await page({ groupname: "not-there", limit: 2 }), 404, "GROUP_NOT_FOUND");
    });

    test("rejects invalid page parameters", async () => {
      for (const [field, value] of [
        ["limit", 0],
        ["limit", "x"],
        ["after", 1],
        ["q", [null]],
      ] as const) {
        const request = { groupname: "dev", [field]: value, access_token };
        assertInvalid(await worker.call("group_user", request), field);
      }
    });

    test("answers 404 for an unknown group name, which is case-sensitive", async () => {
      for (const groupname of ["not-there", "Dev", "DEV"]) {
        assertRefused(await members(groupname), 404, "GROUP_NOT_FOUND");
      }
    });

    test("rejects a name that is missing, not a string or not valid", async () => {
      assertInvalid(await worker.call("group_user", { access_token }), "groupname");
      for (const groupname of [null, 1, true, ["dev"], {}, "", "g".repeat(51), "dev\n", "d%"]) {
        assertInvalid(await members(groupname), "groupname");
      }
    });

    test("is for admins, not for members", async () => {
      await assertNeedsAdmin(worker, "group_user", { groupname: "dev" });
      const token = await worker.accessToken("Alice", ["dev"]);
      const reply = await worker.call("group_user", { groupname: "dev", access_token: token });
      assertRefused(reply, 403, "FORBIDDEN");
    });

    test("does not reveal to a non-admin which groups exist", async () => {
      const token = await worker.accessToken("Alice", ["dev"]);
      const reply = await worker.call("group_user", { groupname: "not-there", access_token: token });
      assertRefused(reply, 403, "FORBIDDEN");
    });

    test("ignores unknown fields", async () => {
      const more = { username: 7, offset: 1 };
      const reply = await worker.call("group_user", { groupname: "ops", access_token, ...more });
      assert.deepEqual(dataOf(reply), { users: ["Alice"] });
    });
  });
}
