import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { assertInvalid, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`group_all on ${database}`, () => {
    let worker: TestWorker;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database });
      access_token = await worker.accessToken("plain");
    });
    after(() => worker[Symbol.asyncDispose]());

    test("answers 204 with an empty list if there are no groups", async () => {
      await worker.db.deleteFrom("group").execute();
      assert.deepEqual(dataOf(await worker.call("group_all", { access_token }), 204), { groups: [] });
    });

    test("lists all groups with their exact names, to any user", async () => {
      await worker.db.deleteFrom("group").execute();
      for (const name of ["dev", "Dev", "_x", "admin"]) {
        await worker.db.insertInto("group").values({ name }).execute();
      }
      assert.deepEqual(dataOf(await worker.call("group_all", { access_token })), {
        groups: ["Dev", "_x", "admin", "dev"],
      });
    });

    test("returns pages with exact names", async () => {
      await worker.db.deleteFrom("group").execute();
      for (const name of ["dev", "Dev", "dev-ops", "admin"])
        await worker.db.insertInto("group").values({ name }).execute();
      const page = (request: object) => worker.call("group_all", { ...request, access_token });
      assert.deepEqual(dataOf(await page({ limit: 3 })), { groups: ["Dev", "admin", "dev"], next: "dev" });
      assert.deepEqual(dataOf(await page({ limit: 3, after: "dev" })), { groups: ["dev-ops"] });
      assert.deepEqual(dataOf(await page({ q: "dev", limit: 1 })), { groups: ["dev"], next: "dev" });
      assert.deepEqual(dataOf(await page({ q: "D" })), { groups: ["Dev"] });
      assert.deepEqual(dataOf(await page({ q: "x" }), 204), { groups: [] });
      assert.deepEqual(dataOf(await page({ after: "x" }), 204), { groups: [] });
    });

    test("rejects invalid page parameters", async () => {
      for (const [field, value] of [
        ["limit", 0],
        ["limit", "x"],
        ["after", 1],
        ["q", [null]],
      ] as const)
        assertInvalid(await worker.call("group_all", { [field]: value, access_token }), field);
    });

    test("needs an access token", () => assertNeedsAccessToken(worker, "group_all", {}));

    test("ignores unknown fields", async () => {
      const { groups } = dataOf(await worker.call("group_all", { access_token, groupname: 5, offset: -1 }));
      assert.ok(Array.isArray(groups), typeof groups);
    });
  });
}
