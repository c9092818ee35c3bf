import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAdmin } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`group_create on ${database}`, () => {
    let worker: TestWorker;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database });
      access_token = await worker.accessToken("root", ["admin"]);
    });
    after(() => worker[Symbol.asyncDispose]());

    const create = (groupname: unknown) => worker.call("group_create", { groupname, access_token });
    const groups = async (): Promise<string[]> =>
      (await worker.db.selectFrom("group").select("name").execute()).map(({ name }) => name);

    test("creates an empty group", async () => {
      const { msg, ...rest } = dataOf(await create("dev"));
      assert.deepEqual([typeof msg, rest], ["string", {}]);
      const members = await worker.call("group_user", { groupname: "dev", access_token });
      assert.deepEqual(dataOf(members), { users: [] });
    });

    test("rejects a name that is taken, but accepts it in another case", async () => {
      dataOf(await create("ops"));
      assertRefused(await create("ops"), 409, "GROUP_TAKEN");
      dataOf(await create("Ops"));
      dataOf(await create("OPS"));
      assert.deepEqual((await groups()).filter((name) => /^ops$/i.test(name)).sort(), ["OPS", "Ops", "ops"]);
    });

    test("accepts only names of 1 to 50 letters, digits, _ and -", async () => {
      for (const name of ["x", "g".repeat(50), "API_PERM-1", "0", "-", "_"]) dataOf(await create(name));
      const before = await groups();
      const bad = ["", "g".repeat(51), "dev\n", "\ndev", "d v", "dev.ops", "dév", "dev\0", "x".repeat(5000)];
      for (const name of bad) assertInvalid(await create(name), "groupname");
      assert.deepEqual(await groups(), before);
    });

    test("rejects a name that is missing or not a string", async () => {
      assertInvalid(await worker.call("group_create", { access_token }), "groupname");
      for (const groupname of [null, 1, true, ["dev"], {}]) {
        assertInvalid(await create(groupname), "groupname");
      }
    });

    test("is for admins", async () => {
      await assertNeedsAdmin(worker, "group_create", { groupname: "not-made" });
      const all = await groups();
      assert.ok(!all.includes("not-made"), all.join(", "));
    });

    test("ignores unknown fields", async () => {
      const more = { users: ["root"], username: "root", name: 5 };
      dataOf(await worker.call("group_create", { groupname: "plain", access_token, ...more }));
      assert.deepEqual(await worker.db.selectFrom("usergroup").selectAll().execute(), []);
    });
  });
}
